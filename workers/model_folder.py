"""Whether a folder holds a model that Seedbed loads: configuration, tokenizer, whole weights as safetensors.

Light on purpose: the web asks it of a folder before a round is planned, the workers before they load one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json", "spiece.model")
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "consolidated*.pth")


class ModelProblem(ValueError):
    """A model cannot be had or is not one that Seedbed loads; the message is one sentence and what to do."""


def model_folder_check(
    folder: Path, name: str | None = None, *, known: Callable[[str], bool] = lambda _model_type: True
) -> None:
    """Raise ModelProblem unless ``folder`` holds a configuration, a tokenizer and whole safetensors weights.

    Args:
        name: how a problem calls the model; the folder itself where None.
        known: whether a model type can be loaded without the program code that the folder brings.
    """
    name = name or str(folder)
    if not folder.is_dir():
        raise ModelProblem(f"There is no folder {name}: give the folder that holds the model's config.json.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelProblem(
            f"{name} is no model: it has no config.json; give the folder that `save_pretrained` wrote."
        ) from None
    except (OSError, ValueError):
        raise ModelProblem(f"{name} is no model: its config.json cannot be read as JSON.") from None
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ModelProblem(f"{name} is no model: its config.json names no model_type.")
    if config.get("auto_map") and not known(str(config["model_type"])):
        raise ModelProblem(
            f"{name} needs program code that came with it, which Seedbed never runs: "
            "choose a model that transformers knows by itself."
        )
    if not any((folder / file).is_file() for file in TOKENIZERS):
        raise ModelProblem(f"{name} has no tokenizer: copy the model's tokenizer.json into the folder.")
    for file in _weight_files(folder, name):
        _check_weights(file, name)


def _weight_files(folder: Path, name: str) -> list[Path]:
    if (folder / INDEX).is_file():
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            shards = {str(shard) for shard in index["weight_map"].values()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ModelProblem(f"{name} has an {INDEX} that cannot be read: copy the model again.") from None
        files = [folder / Path(shard).name for shard in sorted(shards)]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise ModelProblem(f"{name} lacks {missing[0]}, which its index names: copy the model again.")
        return files
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if any(next(folder.glob(pattern), None) for pattern in PICKLES):
        raise ModelProblem(
            f"{name} has its weights in pickle files only, which can run any program when loaded: "
            "save them as safetensors first."
        )
    raise ModelProblem(f"{name} has no weights: {WEIGHTS} is missing.")


def _check_weights(file: Path, name: str) -> None:
    """The header of a safetensors file against the file's length: a copy cut short is found before it is loaded."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        try:
            if not 2 <= length <= size - 8:
                raise ValueError
            header = json.loads(stream.read(length))
            end = max((facts["data_offsets"][1] for key, facts in header.items() if key != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ModelProblem(f"{name}: {file.name} is no safetensors file: copy the model again.") from None
    if end == 0 or 8 + length + end != size:
        raise ModelProblem(f"{name}: {file.name} is cut short or damaged: copy the model again.")
