"""A tiny model to ask."""

from tests.workers.evaluation.conftest import loaded, model_folder

__all__ = ["loaded", "model_folder"]
