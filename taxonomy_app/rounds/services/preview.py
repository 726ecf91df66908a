"""A few rows of every leaf before a planned round runs: what the teacher will write, and at what pace."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from taxonomy_app.rounds.models import UNDER_WAY, Round, RoundLeaf, RoundState, Stage, StageState
from taxonomy_app.rounds.planning import stage_outlines
from taxonomy_app.rounds.services.plan import earlier_data, earlier_samples, family_of, round_start
from taxonomy_app.rounds.services.record import What, event_record, round_change, round_lock
from workers.specs import RoundPlan, StageKind

ROWS_PER_LEAF = 5


def round_preview(*, round: Round, actor: Any, now: datetime) -> Round:  # noqa: A002 - the project's word for it
    """Have the teacher write ROWS_PER_LEAF samples of every leaf, exactly as the planned round would begin.

    The preview is a round of its own that ends after generation. It is asked with the same seed, so the round itself
    begins with the same requests; seeds held out in the round are held out here as well.

    Raises:
        ValidationError: the round has been started, or a preview of it is under way.
    """
    with transaction.atomic():
        current = round_lock(round.pk)
        if current.state != RoundState.PLANNED or current.preview_of_id is not None:
            raise ValidationError(_("Only a round that is planned and not yet started has a preview."))
        if current.previews.filter(state__in=UNDER_WAY).exists():
            raise ValidationError(_("A preview is being made already."))
        plan = preview_plan(current.read_plan())
        leaves = list(current.leaves.all())
        outline = stage_outlines(
            plan,
            data_blobs={str(leaf.leaf_id): leaf.data_blob for leaf in leaves if leaf.data_blob},
            earlier=earlier_data(plan.student),
            earlier_samples=earlier_samples(plan.student),
            family=family_of(current),
        )[0]
        preview = Round.objects.create(
            id=uuid.uuid4(),
            number=None,
            title=f"Preview of {current}",
            plan=plan.model_dump(mode="json"),
            plan_hash=plan.hash,
            taxonomy_commit=current.taxonomy_commit,
            preview_of=current,
            created_by=actor,
            created_at=now,
        )
        for leaf in leaves:
            leaf.pk, leaf.round = None, preview
        RoundLeaf.objects.bulk_create(leaves, batch_size=500)
        Stage.objects.create(
            round=preview, kind=outline.kind.value, position=0, inputs=outline.inputs, output_artifact=outline.output
        )
        event_record(
            round_id=preview.pk,
            what=What.PLANNED,
            reason=f"A preview with {ROWS_PER_LEAF} samples a leaf.",
            now=now,
            actor=actor,
        )
        round_change(current.pk)
        round_start(round=preview, actor=actor, now=now)
    return preview


def preview_plan(plan: RoundPlan) -> RoundPlan:
    """The same plan with a few samples a leaf."""
    generation = plan.recipe.generation
    few = generation.model_copy(update={"samples_per_leaf": min(ROWS_PER_LEAF, generation.samples_per_leaf)})
    return plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"generation": few})})


@dataclass(frozen=True)
class Pace:
    """What a finished preview says about its round: per kept sample, and for all samples that the round wants."""

    samples: int
    kept: int
    requests: int
    tokens: int
    seconds: float


def preview_pace(preview: Round, samples: int) -> Pace | None:
    """The cost of generating ``samples`` at the pace of a preview; None before it is done or where it kept nothing."""
    stage = preview.stages.filter(kind=StageKind.GENERATION.value, state=StageState.DONE).first()
    kept = int(stage.result.get("samples") or 0) if stage is not None else 0
    if stage is None or not kept:
        return None
    result = stage.result
    times = samples / kept
    return Pace(
        samples=samples,
        kept=kept,
        requests=round(times * (result.get("requests") or 0)),
        tokens=round(times * ((result.get("prompt_tokens") or 0) + (result.get("completion_tokens") or 0))),
        seconds=times * float(result.get("seconds") or 0.0),
    )
