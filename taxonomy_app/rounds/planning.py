"""How a round is planned, as pure functions: what is held out, what the plan says, how stages' artifacts are called.

Nothing here reads a database, git or a clock; ``services`` does, and calls these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxonomy_repo.leaf import Leaf
from workers.pipelines import pipeline as shipped_pipeline
from workers.planning import choose_held_out, seed_pairs
from workers.specs import (
    Document,
    LeafKind,
    LeafPin,
    ModelReference,
    PipelinePin,
    PlannedLeaf,
    Recipe,
    RoundPlan,
    SeedPair,
    StageKind,
    TeacherReference,
    content_hash,
)

# Of a SHA-256 in hex: 96 bits keep artifacts' names apart and readable.
_NAME_DIGITS = 24
_COMMIT = re.compile(r"\A[0-9a-f]{40}\Z")


@dataclass(frozen=True)
class SeedHistory:
    """What earlier rounds did with a leaf's seeds, by fingerprint."""

    held_out: frozenset[str] = frozenset()
    taught: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LeafChoice:
    """A leaf chosen for a round, as the index knows it. ``seeds`` are fingerprints in the leaf's order."""

    leaf_id: str
    path: str
    kind: LeafKind
    blob: str
    seeds: tuple[str, ...]
    data_blob: str = ""
    history: SeedHistory = SeedHistory()


@dataclass(frozen=True)
class StageOutline:
    """A stage before it runs: the finished artifacts it reads, by role, and the name of the one it makes."""

    kind: StageKind
    inputs: dict[str, str]
    output: str


def held_out_of(choice: LeafChoice, recipe: Recipe) -> tuple[str, ...]:
    """Fingerprints kept from teacher and student; see ``workers.planning.choose_held_out`` for the rule."""
    pairs = [SeedPair(fingerprint=fingerprint, question="", answer="") for fingerprint in choice.seeds]
    return choose_held_out(
        pairs,
        share=recipe.held_out_share,
        least=recipe.held_out_least,
        held_before=choice.history.held_out,
        taught_before=choice.history.taught,
    )


def plan_build(
    *,
    taxonomy_commit: str,
    choices: Iterable[LeafChoice],
    scored: Iterable[LeafChoice] = (),
    teacher: TeacherReference,
    student: ModelReference,
    recipe: Recipe,
    random_seed: int,
    code_version: str,
    pipeline: PipelinePin | None = None,
) -> RoundPlan:
    """Pin everything. The leaves are put in the order of their paths, so that the same choice gives the same hash.

    Args:
        scored: leaves that earlier rounds taught and this one does not; those of them that still have held-out seeds
            are pinned to be scored.
        pipeline: how samples come to be; the shipped one where it is left out.
    """
    pins = [LeafPin(leaf_id=c.leaf_id, path=c.path, blob=c.blob, held_out=held_out_of(c, recipe)) for c in choices]
    for choice in scored:
        held = tuple(dict.fromkeys(f for f in choice.seeds if f in choice.history.held_out))
        if held:
            pins.append(
                LeafPin(leaf_id=choice.leaf_id, path=choice.path, blob=choice.blob, held_out=held, teaches=False)
            )
    return RoundPlan(
        taxonomy_commit=taxonomy_commit,
        leaves=tuple(sorted(pins, key=lambda pin: (pin.path, pin.leaf_id))),
        teacher=teacher,
        student=student,
        recipe=recipe,
        pipeline=pipeline or shipped_pipeline().pin,
        random_seed=random_seed,
        code_version=code_version,
    )


def recipe_with(
    recipe: Recipe,
    *,
    samples_per_leaf: int | None = None,
    control: bool | None = None,
    held_out_share: float | None = None,
    benchmark_limit: int | None = None,
    judge: str | None = None,
) -> Recipe:
    """The recipe with an administrator's own numbers; None keeps the recipe's.

    ``judge``: ``token``, ``written`` or ``none``.
    """
    generation, tuning, evaluation = recipe.generation, recipe.tuning, recipe.evaluation
    if samples_per_leaf is not None:
        generation = generation.model_copy(update={"samples_per_leaf": samples_per_leaf})
    if judge is not None:
        form = {} if judge == "none" else {"judge_form": judge}
        generation = generation.model_copy(update={"judge": judge != "none", **form})
    if control is not None:
        tuning = tuning.model_copy(update={"control": "without_replay" if control else "none"})
    if benchmark_limit is not None:
        evaluation = evaluation.model_copy(update={"limit": benchmark_limit})
    changes: dict[str, Any] = {"generation": generation, "tuning": tuning, "evaluation": evaluation}
    if held_out_share is not None:
        changes["held_out_share"] = held_out_share
    # Validated anew: model_copy takes values as they come.
    return Recipe.model_validate(recipe.model_copy(update=changes).model_dump(mode="json"))


# --- What each stage makes --------------------------------------------------------------------------


def may_change(model: ModelReference) -> bool:
    """Whether the same name can mean another model later: a folder, or a hub id without a commit."""
    if model.name.startswith(("bundled:", "artifact:")):
        return False
    return not (model.revision and _COMMIT.match(model.revision))


def plan_artifact_name(plan: RoundPlan) -> str:
    return f"plan-{plan.hash[:_NAME_DIGITS]}"


def stage_outlines(
    plan: RoundPlan,
    *,
    data_blobs: Mapping[str, str],
    earlier: Mapping[str, str],
    family: str,
    earlier_samples: Mapping[str, str] | None = None,
) -> tuple[StageOutline, ...]:
    """The round's stages in order, each artifact named by the hash of the parts of the plan that decide its content.

    So a round planned again with only another student finds the generated samples finished. What a model's name or
    an endpoint means can change between rounds; where it can, ``family`` (rounds planned from one another) is part
    of the hash, and nothing is shared beyond it.

    Args:
        data_blobs: the blob of ``data.jsonl`` by leaf id, where a leaf has one.
        earlier: mixtures of the rounds that the student descends from, by role (``earlier:<n>``).
        earlier_samples: what the teacher wrote for those rounds, by role (``samples:<n>``): not to be written again.
        family: names the rounds that may share what an unpinned model made.
    """
    recipe, common = plan.recipe, {"code": plan.code_version, "random_seed": plan.random_seed}
    leaves = [{**pin.model_dump(mode="json"), "data_blob": data_blobs.get(pin.leaf_id, "")} for pin in plan.leaves]
    # How fast the teacher is asked, and at which address, does not decide what it answers.
    teacher = plan.teacher.model_dump(
        mode="json", exclude={"url", "key_variable", "max_in_flight", "further", "tensor_parallel", "data_parallel"}
    )
    if plan.teacher.source == "endpoint" or may_change(plan.teacher.model):
        teacher["family"] = family
    student: dict[str, Any] = plan.student.model_dump(mode="json")
    if may_change(plan.student):
        student["family"] = family

    def name(kind: StageKind, decided_by: Mapping[str, Any]) -> str:
        return f"{kind.value}-{content_hash({**common, **decided_by})[:_NAME_DIGITS]}"

    generation = name(
        StageKind.GENERATION,
        {
            "leaves": leaves,
            "teacher": teacher,
            "recipe": recipe.generation.model_dump(mode="json"),
            "pipeline": plan.pipeline.hash if plan.pipeline is not None else "",
            "earlier": dict(earlier_samples or {}),
        },
    )
    # The control's phases lie beside the others in the mixture and change nothing about them.
    tuning_recipe = recipe.tuning.model_dump(mode="json", exclude={"control", "save_every_seconds"})
    data = {
        "generation": generation,
        "leaves": leaves,
        "student": student,
        "tuning": tuning_recipe,
        "earlier": dict(earlier),
    }
    mixture = name(StageKind.MIXTURE, {**data, "control": recipe.tuning.control})
    tuning = name(StageKind.TUNING, data)
    outlines = [
        StageOutline(StageKind.GENERATION, dict(earlier_samples or {}), generation),
        StageOutline(StageKind.MIXTURE, {"generation": generation, **earlier}, mixture),
        StageOutline(StageKind.TUNING, {"mixture": mixture}, tuning),
    ]
    tuned = {"tuning": tuning}
    if recipe.tuning.control != "none":
        control = name(StageKind.CONTROL, {**data, "control": recipe.tuning.control})
        outlines.append(StageOutline(StageKind.CONTROL, {"mixture": mixture}, control))
        tuned["control"] = control
    evaluation = name(
        StageKind.EVALUATION,
        {**tuned, "student": student, "leaves": leaves, "recipe": recipe.evaluation.model_dump(mode="json")},
    )
    outlines.append(StageOutline(StageKind.EVALUATION, tuned, evaluation))
    return tuple(outlines)


def stage_with_decisions(output: str, decisions: str) -> str:
    """The name of a stage's artifact once people have decided about rows: another than without, or with others."""
    kind, _, digits = output.rpartition("-")
    return f"{kind}-{content_hash([digits, decisions])[:_NAME_DIGITS]}"


# --- What the workers are told of a leaf ----------------------------------------------------------------


def planned_leaf(
    pin: LeafPin,
    leaf: Leaf,
    *,
    kind: LeafKind,
    documents: Sequence[Document] = (),
    data: Sequence[SeedPair] = (),
) -> PlannedLeaf:
    """The leaf as the workers see it: taught and held-out seeds apart, and no held-out seed among its data.

    Of a leaf that is only scored they see the held-out seeds and nothing else.

    Raises:
        ValueError: the plan holds out a seed that the leaf does not have; message is one sentence.
    """
    held = set(pin.held_out)
    pairs = seed_pairs(leaf)
    missing = held - {pair.fingerprint for pair in pairs}
    if missing:
        raise ValueError(f"The plan holds out seeds that {pin.path} does not have.")
    return PlannedLeaf(
        leaf_id=pin.leaf_id,
        path=pin.path,
        kind=kind,
        blob=pin.blob,
        task_description=leaf.task_description,
        domain=leaf.domain,
        document_outline=leaf.document_outline,
        seeds=tuple(pair for pair in pairs if pair.fingerprint not in held) if pin.teaches else (),
        held_out=tuple(pair for pair in pairs if pair.fingerprint in held),
        documents=tuple(documents) if pin.teaches else (),
        data=tuple(pair for pair in data if pair.fingerprint not in held) if pin.teaches else (),
    )
