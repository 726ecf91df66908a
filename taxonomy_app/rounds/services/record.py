"""What every change to a round does besides: take the round's row, write an event, and make pages look again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import F

from taxonomy_app.rounds.models import Round, RoundEvent, Stage
from workers.artifacts import ArtifactStore

What = RoundEvent.What
_LONGEST_REASON = 600


def cache_folder() -> Path:
    """What can be lost and made again: copies of artifacts that lie elsewhere, and where the rows lie in them."""
    from django.conf import settings

    found: Path = settings.VAR / "cache"
    return found


def artifact_store() -> ArtifactStore:
    """The store that the web and all workers share."""
    from django.conf import settings

    return ArtifactStore(settings.SHARED.artifacts_url, cache=cache_folder() / "artifacts")


def round_lock(round_id: UUID | str) -> Round:
    """The round's row, held until the transaction ends. Everything that changes a round takes it first.

    Raises:
        Round.DoesNotExist: there is no such round.
    """
    found: Round = Round.objects.select_for_update().get(pk=round_id)
    return found


def round_change(round_id: UUID, **fields: Any) -> None:
    """Set ``fields`` on the round and let pages know that something changed."""
    Round.objects.filter(pk=round_id).update(revision=F("revision") + 1, **fields)


def event_record(
    *,
    round_id: UUID,
    what: RoundEvent.What,
    reason: str,
    now: datetime,
    stage: Stage | None = None,
    attempt: int | None = None,
    actor: Any = None,
) -> None:
    RoundEvent(
        round_id=round_id,
        stage=stage,
        attempt=attempt,
        what=what,
        reason=reason[:_LONGEST_REASON],
        actor=actor,
        created_at=now,
    ).save()
