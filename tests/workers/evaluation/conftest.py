"""Tiny random models with a real tokenizer: the real program, in a second on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workers.tuning.conftest import make_model, make_tokenizer


def save_model(folder: Path, **changes: Any) -> Path:
    make_model(**{"max_position_embeddings": 1024, **changes}).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def other_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model: other weights from the same seed, because its layers are wider."""
    return save_model(tmp_path_factory.mktemp("other"), intermediate_size=96)


@pytest.fixture(scope="session")
def loaded(model_folder: Path) -> Any:
    from workers.evaluation.likelihood import load_model

    return load_model(model_folder)
