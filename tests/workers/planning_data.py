"""A small plan with its leaves, for tests of stages."""

from __future__ import annotations

from pathlib import Path

from workers.artifacts import ArtifactStore
from workers.environment import SharedSettings, shared_settings
from workers.planning import seed_fingerprint
from workers.recipes import recipe
from workers.specs import (
    EvaluationRecipe,
    LeafKind,
    LeafPin,
    ModelReference,
    PlannedLeaf,
    RoundPlan,
    SeedPair,
    StageKind,
    StageReference,
    StageSpec,
    TeacherReference,
)
from workers.stages import write_plan

PLAN = "plan-0001"


def pair(question: str, answer: str, context: str | None = None, index: int | None = None) -> SeedPair:
    return SeedPair(
        fingerprint=seed_fingerprint(question, context),
        question=question,
        answer=answer,
        context=context,
        context_index=index,
    )


def some_leaves() -> tuple[PlannedLeaf, ...]:
    """One leaf of each kind that has held-out seeds, and one that has none."""
    ferry = "The ferry to the island leaves at nine."
    return (
        PlannedLeaf(
            leaf_id="k",
            path="knowledge/island/ferry",
            kind=LeafKind.KNOWLEDGE,
            blob="b1",
            seeds=(pair("Where does the ferry go?", "To the island.", ferry, 0),),
            held_out=(
                pair("When does the ferry leave?", "The ferry leaves at nine.", ferry, 0),
                pair("What leaves at nine?", "The ferry to the island.", ferry, 0),
                pair("What was burned in every house?", "Peat was burned.", "Peat was burned in every house.", 1),
            ),
        ),
        PlannedLeaf(
            leaf_id="g",
            path="compositional_skills/reading/short",
            kind=LeafKind.GROUNDED,
            blob="b2",
            seeds=(pair("Who mends?", "The sailmaker.", "The sailmaker mends nets.", 0),),
            held_out=(
                pair("What is mended?", "Nets are mended.", "The sailmaker mends nets in winter.", 1),
                pair("When?", "In winter.", "The old sailmaker mends them in winter.", 2),
            ),
        ),
        PlannedLeaf(
            leaf_id="f",
            path="compositional_skills/writing/rain",
            kind=LeafKind.FREEFORM,
            blob="b3",
            seeds=(pair("Write one line about rain.", "Rain on the road."),),
        ),
    )


def some_plan(**evaluation: object) -> RoundPlan:
    quick = recipe("quick")
    asked = EvaluationRecipe.model_validate({"benchmarks": (), "general_loss": True, **evaluation})
    return RoundPlan(
        taxonomy_commit="c" * 40,
        leaves=tuple(LeafPin(leaf_id=leaf.leaf_id, path=leaf.path, blob=leaf.blob) for leaf in some_leaves()),
        teacher=TeacherReference(),
        student=ModelReference(name="/nowhere"),
        recipe=quick.model_copy(update={"evaluation": asked}),
        random_seed=7,
        code_version="test",
    )


def settings_in(folder: Path, *, redis_url: str = "redis://localhost:1", heartbeat: float = 0.3) -> SharedSettings:
    return shared_settings(
        {
            "SEEDBED_VAR": str(folder),
            "SEEDBED_REDIS_URL": redis_url,
            "SEEDBED_HEARTBEAT_SECONDS": str(heartbeat),
            "SEEDBED_LOST_AFTER_SECONDS": str(heartbeat * 4),
        }
    )


def store_with_plan(settings: SharedSettings, plan: RoundPlan | None = None) -> ArtifactStore:
    store = ArtifactStore(settings.artifacts_url)
    write_plan(store, PLAN, plan or some_plan(), some_leaves())
    return store


def some_spec(kind: StageKind = StageKind.GENERATION, *, attempt: int = 1, output: str = "out-0001") -> StageSpec:
    reference = StageReference(round_id="r1", stage_id="s1", kind=kind, attempt=attempt)
    return StageSpec(reference=reference, plan=PLAN, output=output)
