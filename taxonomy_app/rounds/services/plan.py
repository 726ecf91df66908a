"""Planning a round, starting it, and writing down for the workers what was planned."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from taxonomy_app.rounds import broker
from taxonomy_app.rounds.code_version import code_version
from taxonomy_app.rounds.estimate import Estimate, LeafSize, Measured, estimate
from taxonomy_app.rounds.models import Round, RoundLeaf, RoundState, Stage, StageState
from taxonomy_app.rounds.planning import (
    LeafChoice,
    SeedHistory,
    StageOutline,
    plan_artifact_name,
    plan_build,
    planned_leaf,
    stage_outlines,
)
from taxonomy_app.rounds.services.record import What, artifact_store, event_record, round_change, round_lock
from taxonomy_app.rounds.services.run import round_fail, stage_dispatch
from taxonomy_app.tree.models import IndexState, Leaf, Seed
from taxonomy_repo.leaf import read_leaf
from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.planning import data_pairs
from workers.specs import (
    Document,
    LeafKind,
    LeafPin,
    ModelReference,
    PipelinePin,
    PlannedLeaf,
    Recipe,
    RoundPlan,
    StageKind,
    StageProblem,
    TeacherReference,
)

log = logging.getLogger(__name__)

PREPARE_TASK = "seedbed.rounds.prepare"
# Earlier rounds that a speed is taken from, newest first.
_MEASURED_ROUNDS = 5
# How far back the releases that a student descends from are followed.
_OLDEST_ANCESTOR = 20


class PlanProblem(Exception):
    """The plan cannot be written for the workers; the message is one sentence."""


# --- Planning -----------------------------------------------------------------------------------------


def round_plan(
    *,
    leaf_ids: Collection[UUID],
    recipe: Recipe,
    teacher: TeacherReference,
    student: ModelReference,
    random_seed: int | None,
    actor: Any,
    now: datetime,
    title: str = "",
    planned_from: Round | None = None,
    holds: bool = False,
    pipeline: PipelinePin | None = None,
) -> Round:
    """Pin everything that decides a round and keep it; nothing runs yet.

    Leaves are taken as the index shows them, at the commit that it shows. ``random_seed`` None takes the round's
    number, so that every new round draws anew and can still be repeated. With ``holds`` it waits after generation for
    a person to look at the rows. ``pipeline`` None takes the shipped one.

    Raises:
        ValidationError: a leaf is gone or cannot be read, or nothing was chosen.
    """
    commit, choices = leaf_choices(leaf_ids)
    scored = scored_choices(leaf_ids)
    with transaction.atomic():
        for _try in range(5):
            number = (Round.objects.aggregate(last=Max("number"))["last"] or 0) + 1
            plan = plan_build(
                taxonomy_commit=commit,
                choices=choices,
                scored=scored,
                teacher=teacher,
                student=student,
                recipe=recipe,
                pipeline=pipeline,
                random_seed=number if random_seed is None else random_seed,
                code_version=code_version(),
            )
            planned = Round(
                id=uuid.uuid4(),
                number=number,
                title=title or f"Round {number}",
                plan=plan.model_dump(mode="json"),
                plan_hash=plan.hash,
                taxonomy_commit=commit,
                holds=holds,
                planned_from=planned_from,
                created_by=actor,
                created_at=now,
            )
            try:
                with transaction.atomic():
                    planned.save(force_insert=True)
                break
            except IntegrityError:  # another administrator took the number in this moment
                continue
        else:
            raise ValidationError(_("Several rounds were planned at the same moment. Try again."))
        outlines = _outlines(plan, choices, family_of(planned))
        planned.estimate = _estimate(plan, [*choices, *scored], outlines).as_json()
        planned.save(update_fields=["estimate"])
        pins = {pin.leaf_id: pin for pin in plan.leaves}
        RoundLeaf.objects.bulk_create(
            [
                _round_leaf(planned, choice, pins[choice.leaf_id])
                for choice in [*choices, *scored]
                if choice.leaf_id in pins
            ],
            batch_size=500,
        )
        Stage.objects.bulk_create(
            Stage(
                round=planned,
                kind=outline.kind.value,
                position=position,
                inputs=outline.inputs,
                output_artifact=outline.output,
            )
            for position, outline in enumerate(outlines)
        )
        again = f", again from round {planned_from.number}" if planned_from else ""
        event_record(
            round_id=planned.pk,
            what=What.PLANNED,
            reason=f"Planned with {len(choices)} leaves{again}.",
            now=now,
            actor=actor,
        )
    return planned


def teacher_seen(teacher: TeacherReference) -> dict[str, Any] | None:
    """What the newest finished generation saw of this teacher (``workers.teacher.probe.Probe``), if there is one."""
    stages = Stage.objects.filter(
        kind=StageKind.GENERATION.value,
        state=StageState.DONE,
        result__teacher__model=teacher.model.name,
        result__teacher__url=teacher.url or "",
    )
    if teacher.profile != "auto":
        stages = stages.filter(result__teacher__profile=teacher.profile)
    newest = stages.order_by("-ended_at").values_list("result", flat=True).first()
    return newest["teacher"] if newest is not None else None


def round_estimate(
    *, leaf_ids: Collection[UUID], recipe: Recipe, teacher: TeacherReference, student: ModelReference
) -> Estimate:
    """What a round would cost, without planning it.

    Raises:
        ValidationError: as ``round_plan``.
    """
    commit, choices = leaf_choices(leaf_ids)
    scored = scored_choices(leaf_ids)
    plan = plan_build(
        taxonomy_commit=commit,
        choices=choices,
        scored=scored,
        teacher=teacher,
        student=student,
        recipe=recipe,
        random_seed=0,
        code_version=code_version(),
    )
    return _estimate(plan, [*choices, *scored], ())


def leaf_choices(leaf_ids: Collection[UUID]) -> tuple[str, list[LeafChoice]]:
    """The indexed commit, and the chosen leaves with what earlier rounds did with their seeds.

    Raises:
        ValidationError: nothing is chosen or indexed, or a leaf is gone or cannot be read.
    """
    state = IndexState.objects.first()
    if state is None or not state.commit:
        raise ValidationError(_("The taxonomy is empty. Approve a submission first."))
    if not leaf_ids:
        raise ValidationError(_("Choose at least one leaf."))
    leaves = list(Leaf.objects.present().filter(leaf_id__in=leaf_ids).order_by("path"))
    if len(leaves) < len(set(leaf_ids)):
        raise ValidationError(_("A chosen leaf is no longer in the taxonomy. Reload the page and choose again."))
    for leaf in leaves:
        if leaf.problem or not leaf.seed_count:
            raise ValidationError(
                _("%(path)s cannot be used: it has no readable seeds. Leave it out, or mend it.") % {"path": leaf.path}
            )
    return state.commit, _choices(leaves)


def scored_choices(taught: Collection[UUID]) -> list[LeafChoice]:
    """Leaves that a release has taught and ``taught`` leaves out: scored again, so that forgetting is seen."""
    earlier = RoundLeaf.objects.filter(round__release__isnull=False, taught_count__gt=0).values("leaf_id")
    leaves = Leaf.objects.present().filter(leaf_id__in=earlier, problem="").exclude(leaf_id__in=taught)
    return _choices(list(leaves.order_by("path")))


def _choices(leaves: Sequence[Leaf]) -> list[LeafChoice]:
    seeds: dict[int, list[str]] = {}
    chosen = [leaf.pk for leaf in leaves]
    for leaf_pk, fingerprint in (
        Seed.objects.filter(leaf__in=chosen).order_by("leaf_id", "position").values_list("leaf_id", "fingerprint")
    ):
        seeds.setdefault(leaf_pk, []).append(fingerprint)
    history = seed_history(leaf.leaf_id for leaf in leaves)
    return [
        LeafChoice(
            leaf_id=str(leaf.leaf_id),
            path=leaf.path,
            kind=LeafKind(leaf.kind),
            blob=leaf.blob,
            data_blob=leaf.data_blob,
            seeds=tuple(seeds.get(leaf.pk, ())),
            history=history.get(leaf.leaf_id, SeedHistory()),
        )
        for leaf in leaves
    ]


def seed_history(leaf_ids: Iterable[UUID]) -> dict[UUID, SeedHistory]:
    """Which seeds of each leaf rounds have held out or taught, whatever became of those rounds once started."""
    held: dict[UUID, set[str]] = {}
    taught: dict[UUID, set[str]] = {}
    rows = RoundLeaf.objects.filter(leaf_id__in=list(leaf_ids), round__started_at__isnull=False)
    for leaf_id, held_out, shown in rows.values_list("leaf_id", "held_out", "taught").iterator():
        held.setdefault(leaf_id, set()).update(held_out)
        taught.setdefault(leaf_id, set()).update(shown)
    return {leaf_id: SeedHistory(frozenset(held[leaf_id]), frozenset(taught[leaf_id])) for leaf_id in held}


def family_of(planned: Round) -> str:
    """The round from which this one and its kin were planned again: the oldest one's id."""
    oldest = planned
    while oldest.planned_from is not None:
        oldest = oldest.planned_from
    return str(oldest.pk)


def earlier_data(student: ModelReference) -> dict[str, str]:
    """Mixtures of the rounds that made this student, the latest first, as inputs ``earlier:<n>``.

    A student that is nobody's release here has learnt nothing here, and needs none of it replayed.
    """
    found: dict[str, str] = {}
    name = student.name
    while name.startswith("artifact:") and len(found) < _OLDEST_ANCESTOR:
        tuned = (
            Stage.objects.filter(
                output_artifact=name.removeprefix("artifact:"),
                state=StageState.DONE,
                kind__in=[StageKind.TUNING.value, StageKind.CONTROL.value],
            )
            .select_related("round")
            .order_by("round__number")
            .first()
        )
        if tuned is None:
            break
        made = tuned.round.stages.filter(kind=StageKind.MIXTURE.value, state=StageState.DONE).first()
        role = f"earlier:{tuned.round.number}"
        if made is None or role in found:
            break
        found[role] = made.output_artifact
        name = tuned.round.student.name
    return found


def _outlines(plan: RoundPlan, choices: Sequence[LeafChoice], family: str) -> tuple[StageOutline, ...]:
    return stage_outlines(
        plan,
        data_blobs={choice.leaf_id: choice.data_blob for choice in choices if choice.data_blob},
        earlier=earlier_data(plan.student),
        family=family,
    )


def _round_leaf(planned: Round, choice: LeafChoice, pin: LeafPin) -> RoundLeaf:
    taught = [f for f in dict.fromkeys(choice.seeds) if f not in pin.held_out] if pin.teaches else []
    return RoundLeaf(
        round=planned,
        leaf_id=UUID(choice.leaf_id),
        path=choice.path,
        kind=choice.kind.value,
        blob=choice.blob,
        data_blob=choice.data_blob,
        taught_count=len(taught),
        taught=taught,
        held_out=list(pin.held_out),
    )


def _estimate(plan: RoundPlan, choices: Sequence[LeafChoice], outlines: Sequence[StageOutline]) -> Estimate:
    store = artifact_store()
    kinds = {choice.leaf_id: choice for choice in choices}
    sizes = [
        LeafSize(
            kind=kinds[pin.leaf_id].kind,
            taught=len(set(kinds[pin.leaf_id].seeds)) - len(pin.held_out) if pin.teaches else 0,
            held_out=len(pin.held_out),
        )
        for pin in plan.leaves
    ]
    return estimate(
        plan,
        sizes,
        measured=measured_stages(),
        reused={outline.kind: store.artifact(outline.output).complete for outline in outlines},
    )


def measured_stages() -> list[Measured]:
    """What the stages of the last finished rounds took, as ``estimate`` wants it; reused ones took nothing."""
    found = []
    last = Round.objects.whole().filter(state=RoundState.DONE).newest_first()[:_MEASURED_ROUNDS]
    for done in last.prefetch_related("stages"):
        work = {stage["kind"]: stage["work"] for stage in done.estimate.get("stages", [])}
        plan = done.read_plan()
        for stage in done.stages.all():
            # A stage resumed by a second attempt shows a wall time that includes the silence between the two.
            if stage.reused or not (stage.started_at and stage.ended_at and work.get(stage.kind)) or stage.losses:
                continue
            model = plan.teacher.model.name if stage.kind == StageKind.GENERATION.value else plan.student.name
            found.append(
                Measured(
                    kind=stage.stage_kind,
                    model=model,
                    work=work[stage.kind],
                    seconds=(stage.ended_at - stage.started_at).total_seconds(),
                    requests=float(stage.result.get("requests") or 0),
                    prompt_tokens=float(stage.result.get("prompt_tokens") or 0),
                    completion_tokens=float(stage.result.get("completion_tokens") or 0),
                )
            )
    return found


# --- Starting -----------------------------------------------------------------------------------------


def round_start(*, round: Round, actor: Any, now: datetime) -> None:  # noqa: A002 - the project's word for it
    """Let a planned round run. Writing the plan for the workers is left to the queue ``default``.

    Raises:
        ValidationError: it is not planned any more, or a round started since taught what this one holds out.
    """
    with transaction.atomic():
        current = round_lock(round.pk)
        if current.state != RoundState.PLANNED:
            raise ValidationError(_("%(round)s was started or discarded already.") % {"round": current})
        _check_history(current)
        Round.objects.filter(pk=current.pk, state=RoundState.PLANNED).update(
            state=RoundState.RUNNING, started_at=now, prepare_asked_at=now
        )
        round_change(current.pk)
        event_record(round_id=current.pk, what=What.STARTED, reason="Started.", now=now, actor=actor)
        prepare_ask(current.pk)


def prepare_ask(round_id: UUID) -> None:
    transaction.on_commit(lambda: broker.task_send(PREPARE_TASK, round_id=str(round_id)))


def _check_history(planned: Round) -> None:
    leaves = list(planned.leaves.all())
    history = seed_history(leaf.leaf_id for leaf in leaves)
    for leaf in leaves:
        seen = history.get(leaf.leaf_id, SeedHistory())
        if seen.taught & set(leaf.held_out) or seen.held_out & set(leaf.taught):
            raise ValidationError(
                _(
                    "Since this round was planned another one has shared out the seeds of %(path)s "
                    "differently. Plan again from this round, so that what is held out stays held out."
                )
                % {"path": leaf.path}
            )


def round_prepare(*, round_id: UUID | str, now: datetime) -> bool:
    """Write the plan artifact (plan, leaves with seeds, documents and data) and send the first stage.

    Harmless when repeated. False if there was nothing to do.
    """
    planned = Round.objects.filter(pk=round_id, state=RoundState.RUNNING, plan_artifact="").first()
    if planned is None:
        return False
    plan = planned.read_plan()
    name = plan_artifact_name(plan)
    try:
        plan_write(artifact_store(), name, plan, list(planned.leaves.all()))
    except (PlanProblem, ArtifactProblem, OSError) as error:
        log.exception("The plan of %s could not be written.", planned)
        problem = StageProblem(
            code="plan",
            message=f"The plan could not be written for the workers: {error}",
            advice="Put right what the sentence names, then try again.",
        )
        round_fail(round_id=planned.pk, problem=problem, now=now)
        return False
    with transaction.atomic():
        current = round_lock(planned.pk)
        if current.state != RoundState.RUNNING or current.plan_artifact:
            return False
        round_change(current.pk, plan_artifact=name)
        event_record(round_id=current.pk, what=What.PREPARED, reason="The plan is written.", now=now)
        first = current.stages.order_by("position").first()
        assert first is not None  # a round is never kept without its stages  # noqa: S101
        stage_dispatch(stage=first, reason="The round was started.", now=now)
    return True


def plan_write(store: ArtifactStore, name: str, plan: RoundPlan, leaves: Sequence[RoundLeaf]) -> None:
    """Write and finish the plan artifact; a finished one is left alone.

    Raises:
        PlanProblem: a leaf, its documents or its data cannot be read.
    """
    artifact = store.artifact(name)
    if artifact.complete:
        return
    rows = {str(leaf.leaf_id): leaf for leaf in leaves}
    lines = [
        json.dumps(_read_planned_leaf(pin, rows[pin.leaf_id]).model_dump(mode="json"), ensure_ascii=False) + "\n"
        for pin in plan.leaves
    ]
    artifact.write_json("plan.json", plan)
    artifact.write_text("leaves.jsonl", "".join(lines))
    artifact.finish(kind="plan", spec={"plan_hash": plan.hash}, code_version=plan.code_version)


def _read_planned_leaf(pin: LeafPin, row: RoundLeaf) -> PlannedLeaf:
    from taxonomy_app.tree.services import taxonomy_store

    reading = read_leaf(taxonomy_store().read_blob(pin.blob), pin.path)
    if reading.leaf is None:
        raise PlanProblem(f"{pin.path} cannot be read.")
    try:
        return planned_leaf(
            pin,
            reading.leaf,
            kind=LeafKind(row.kind),
            documents=documents_of(pin.path, reading.leaf.document) if pin.teaches else (),
            data=data_pairs(taxonomy_store().read_blob(row.data_blob), f"{pin.path}/data.jsonl")
            if row.data_blob and pin.teaches
            else (),
        )
    except ValueError as error:
        raise PlanProblem(str(error)) from error


def documents_of(path: str, reference: Any) -> list[Document]:
    """The documents that a leaf refers to.

    Raises:
        PlanProblem: none of them is there, or one has no text.
    """
    from taxonomy_app.tree.services import document_store

    if reference is None:
        return []
    found = document_store().read(reference)
    if not found:
        raise PlanProblem(f"{path} names documents, but none of them is there.")
    for name, text in found:
        # A scanned page without text, say: questions about it would be made of the seeds alone, and nobody told.
        if not any(letter.isalpha() for letter in text):
            raise PlanProblem(f"The document {name} of {path} has no text: put one in its place that can be read.")
    return [Document(name=name, text=text, source=reference.repo, commit=reference.commit) for name, text in found]
