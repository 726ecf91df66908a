"""A round that is held: what a person decides about single rows, and how the round goes on with it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.rounds.models import Round, RoundState, RowDecision, Stage
from taxonomy_app.rounds.planning import stage_with_decisions
from taxonomy_app.rounds.rows import Row
from taxonomy_app.rounds.services.record import What, artifact_store, event_record, round_change, round_lock
from taxonomy_app.rounds.services.run import stage_dispatch
from workers.specs import RowVerdicts, StageKind, content_hash

NOT_HELD = lazy("%(round)s does not wait for decisions about its rows: they count only before the student is tuned.")


def row_decide(*, round: Round, row: Row, verdict: str, actor: Any, now: datetime) -> None:  # noqa: A002 - the project's word for it
    """Keep what a person decided about a row: restore a dropped one, reject a kept one, or take that back.

    Raises:
        ValidationError: the round is not held, or there is nothing to restore, reject or take back.
    """
    allowed = RowDecision.Verdict.RESTORE if row.filter else RowDecision.Verdict.REJECT
    with transaction.atomic():
        current = round_lock(round.pk)
        if current.state != RoundState.HELD:
            raise ValidationError(NOT_HELD % {"round": current})
        before = decisions_of(current).get(row.sample.sample_id)
        if verdict not in (allowed, RowDecision.Verdict.BACK):
            raise ValidationError(_("A dropped row can be restored, a kept one rejected."))
        if verdict == RowDecision.Verdict.RESTORE and not row.restorable:
            raise ValidationError(
                _("It cannot be restored: it would teach what is scored.")
                if row.complete
                else _("It cannot be restored: it was dropped before it had an answer.")
            )
        if (verdict == RowDecision.Verdict.BACK) == (before is None):
            raise ValidationError(_("This row was decided about already. Reload the page."))
        RowDecision(
            round=current,
            sample_id=row.sample.sample_id,
            leaf_id=row.sample.metadata.leaf_id,
            verdict=verdict,
            actor=actor,
            created_at=now,
        ).save()
        round_change(current.pk)


def decisions_of(round: Round) -> dict[str, RowDecision]:  # noqa: A002 - the project's word for it
    """The decisions that count, by sample id; those taken back are not among them."""
    last: dict[str, RowDecision] = {}
    for decision in RowDecision.objects.filter(round=round).select_related("actor").order_by("pk"):
        last[decision.sample_id] = decision
    return {name: decision for name, decision in last.items() if decision.verdict != RowDecision.Verdict.BACK}


def verdicts_of(round: Round) -> RowVerdicts:  # noqa: A002 - the project's word for it
    """What the mixture is told of them."""
    found = decisions_of(round).items()
    return RowVerdicts(
        restored=tuple(sorted(name for name, decision in found if decision.verdict == RowDecision.Verdict.RESTORE)),
        rejected=tuple(sorted(name for name, decision in found if decision.verdict == RowDecision.Verdict.REJECT)),
    )


def round_go_on(*, round: Round, actor: Any, now: datetime) -> None:  # noqa: A002 - the project's word for it
    """Let a held round go on to the mixture, with what was decided about its rows.

    Decisions are an input like any other: they are written as an artifact of their own, and the artifacts of all
    later stages are named after it, so that nothing made of other rows is taken for the same.

    Raises:
        ValidationError: the round is not held.
    """
    with transaction.atomic():
        current = round_lock(round.pk)
        if current.state != RoundState.HELD:
            raise ValidationError(_("%(round)s does not wait to go on.") % {"round": current})
        verdicts = verdicts_of(current)
        later = list(current.stages.exclude(kind=StageKind.GENERATION.value).order_by("position"))
        if verdicts.restored or verdicts.rejected:
            _stages_change(later, verdicts, current.plan_hash)
        count = f"{len(verdicts.restored)} restored and {len(verdicts.rejected)} rejected by hand"
        round_change(current.pk, state=RoundState.RUNNING)
        event_record(round_id=current.pk, what=What.WENT_ON, reason=f"Went on with {count}.", now=now, actor=actor)
        stage_dispatch(stage=later[0], reason="The samples were looked at.", now=now)


def _stages_change(later: list[Stage], verdicts: RowVerdicts, plan_hash: str) -> None:
    name = f"decisions-{content_hash([plan_hash, verdicts.model_dump(mode='json')])[:24]}"
    artifact = artifact_store().artifact(name)
    if not artifact.complete:
        artifact.write_text("decisions.json", json.dumps(verdicts.model_dump(mode="json"), indent=1) + "\n")
        artifact.finish(kind="decisions")
    renamed: dict[str, str] = {}
    for stage in later:
        inputs = {role: renamed.get(made, made) for role, made in stage.inputs.items()}
        if stage.kind == StageKind.MIXTURE.value:
            inputs["decisions"] = name
        made = stage_with_decisions(stage.output_artifact, name)
        renamed[stage.output_artifact] = made
        stage.inputs, stage.output_artifact = inputs, made
        stage.save(update_fields=["inputs", "output_artifact"])
