"""The real workers' Celery with stages that do as a test asks: ``celery -A tests.workers.acting_worker worker …``."""

from __future__ import annotations

from typing import cast

from tests.workers.acting_stages import REGISTRY_PATH
from workers.celery import app
from workers.specs import StageKind
from workers.stages import stage_registry

cast(dict[StageKind, str], stage_registry)[StageKind.GENERATION] = REGISTRY_PATH

__all__ = ["app"]
