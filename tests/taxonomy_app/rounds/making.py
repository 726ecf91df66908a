"""What the tests of rounds are made of: indexed leaves, planned rounds, a broker and a GPU worker that pretend."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from taxonomy_app.rounds import broker, services
from taxonomy_app.rounds.models import Round, Stage
from taxonomy_app.rounds.services.record import artifact_store
from taxonomy_app.tree.models import Branch, IndexState, Kind, Leaf, Seed
from workers.planning import seed_fingerprint
from workers.specs import (
    DroppedSample,
    EvaluationRecipe,
    EvaluationResult,
    FunnelStep,
    GenerationRecipe,
    ItemScore,
    Message,
    ModelReference,
    PhaseRecipe,
    Recipe,
    Sample,
    SampleMetadata,
    Score,
    StageKind,
    StageReport,
    StageSpec,
    TeacherReference,
    TuningRecipe,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COMMIT = "c" * 40


def tiny_recipe(*, control: bool = True, samples: int = 4) -> Recipe:
    return Recipe(
        name="tiny",
        title="Tiny",
        description="For tests.",
        generation=GenerationRecipe(samples_per_leaf=samples),
        tuning=TuningRecipe(
            phases=(PhaseRecipe(name="stacked", epochs=1, learning_rate=1e-4, batch_tokens=64),),
            control="without_replay" if control else "none",
        ),
        evaluation=EvaluationRecipe(benchmarks=(), limit=4),
    )


def make_leaf(path: str, *, kind: str = Kind.FREEFORM, seeds: int = 6) -> Leaf:
    """A leaf in the index, as it would be after indexing."""
    IndexState.objects.update_or_create(pk=1, defaults={"commit": COMMIT, "indexed_at": NOW})
    leaf = Leaf.objects.create(
        leaf_id=uuid.uuid5(uuid.NAMESPACE_URL, path),
        path=path,
        branch=Branch(path.split("/", maxsplit=1)[0]),
        kind=kind,
        name=path.rsplit("/", maxsplit=1)[-1],
        blob=uuid.uuid5(uuid.NAMESPACE_DNS, path).hex,
        seed_count=seeds,
        added_commit=COMMIT,
        changed_commit=COMMIT,
        added_at=NOW,
        changed_at=NOW,
    )
    Seed.objects.bulk_create(
        Seed(
            leaf=leaf,
            position=n,
            group=n,
            fingerprint=seed_fingerprint(f"{path} question {n}?"),
            question=f"{path} question {n}?",
            answer=f"Answer {n}.",
        )
        for n in range(seeds)
    )
    return leaf


def make_round(actor: Any, *, leaves: list[Leaf] | None = None, **changes: Any) -> Round:
    """A planned round on two leaves (made if there are none)."""
    if leaves is None:
        leaves = list(Leaf.objects.present()) or [
            make_leaf("compositional_skills/writing/haiku"),
            make_leaf("knowledge/history/salt_road", kind=Kind.KNOWLEDGE),
        ]
    arguments: dict[str, Any] = {
        "leaf_ids": [leaf.leaf_id for leaf in leaves],
        "recipe": tiny_recipe(),
        "teacher": TeacherReference(),
        "student": ModelReference(name="bundled:smollm2-135m-instruct"),
        "random_seed": 7,
        "actor": actor,
        "now": NOW,
    }
    return services.round_plan(**{**arguments, **changes})


def make_running(actor: Any, **changes: Any) -> Round:
    """A started round whose plan is written (its artifact is finished, without the texts)."""
    planned = make_round(actor, **changes)
    services.round_start(round=planned, actor=actor, now=NOW)
    from unittest.mock import patch

    with patch("taxonomy_app.rounds.services.plan.plan_write"):
        services.round_prepare(round_id=planned.pk, now=NOW)
    planned.refresh_from_db()
    return planned


def current_stage(round_: Round) -> Stage:
    """The stage that is under way, or else the first that is not done."""
    stages = list(round_.stages.order_by("position"))
    return next((s for s in stages if s.is_active), None) or next((s for s in stages if s.state != "done"), stages[-1])


@dataclass
class FakeBroker:
    """Keeps what was sent; ``queue`` holds the names of messages that nobody has taken."""

    specs: list[StageSpec] = field(default_factory=list)
    tasks: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stopped: list[tuple[str, int]] = field(default_factory=list)
    queue: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    answers: bool = True

    def install(self, monkeypatch: Any) -> FakeBroker:
        monkeypatch.setattr(broker, "stage_send", self.stage_send)
        monkeypatch.setattr(broker, "task_send", self.task_send)
        monkeypatch.setattr(broker, "stop_ask", self.stop_ask)
        monkeypatch.setattr(broker, "waiting_attempts", self.waiting_attempts)
        return self

    def stage_send(self, spec: StageSpec) -> bool:
        self.specs.append(spec)
        self.queue.add(broker.task_id(spec.reference))
        return True

    def task_send(self, name: str, **arguments: str) -> bool:
        self.tasks.append((name, arguments))
        return True

    def stop_ask(self, references: Any) -> bool:
        self.stopped += [(reference.stage_id, reference.attempt) for reference in references]
        return True

    def waiting_attempts(self) -> broker.Waiting | None:
        return broker.Waiting(frozenset(self.queue), frozenset(self.taken)) if self.answers else None


def sample(leaf_id: str, path: str, n: int, text: str = "") -> Sample:
    return Sample(
        sample_id=f"{path.rsplit('/', 1)[-1]}-{n}",
        messages=(
            Message(role="user", content=text or f"Question {n} about {path}?"),
            Message(role="assistant", content=f"Answer {n}."),
        ),
        metadata=SampleMetadata(
            leaf_id=leaf_id, leaf_path=path, origin="generated", scores={"grounding": 0.5 + n / 20}
        ),
    )


class FakeWorker:
    """A GPU worker that finishes at once: it writes tiny finished artifacts and says so."""

    def __init__(self, name: str = "gpu-1") -> None:
        self.name = name

    def report(self, spec: StageSpec, event: str, sequence: int, **more: Any) -> dict[str, Any]:
        report = StageReport(reference=spec.reference, sequence=sequence, event=event, worker=self.name, **more)
        return report.model_dump(mode="json")

    def finish(self, spec: StageSpec, leaves: list[tuple[str, str]]) -> dict[str, Any]:
        """Write the stage's artifact; answers the result. ``leaves`` are (leaf id, path)."""
        artifact = artifact_store().artifact(spec.output)
        result: dict[str, Any] = {"seconds": 2.0}
        if artifact.complete:
            return artifact.read_json("result.json")  # type: ignore[no-any-return]
        kind = spec.reference.kind
        if kind == StageKind.GENERATION:
            result |= self._generation(artifact, leaves)
        elif kind == StageKind.EVALUATION:
            subjects = ["before", "after"] + (["control"] if "control" in spec.inputs else [])
            scores = [
                Score(
                    subject=subject,
                    scope="leaf",
                    name=leaf_id,
                    metric="answer_logprob",
                    mean=-2.0 + 0.5 * position,
                    standard_error=0.1,
                    items=tuple(
                        ItemScore(item_id=f"{leaf_id}-{n}", value=-2.0 + 0.5 * position + n / 10) for n in range(3)
                    ),
                )
                for position, subject in enumerate(subjects)
                for leaf_id, _ in leaves
            ]
            artifact.write_json("scores.json", EvaluationResult(scores=tuple(scores), comparisons=(), seconds=1.0))
        else:
            artifact.write_json("phases.json", [])
        artifact.write_json("result.json", result)
        artifact.finish(kind=kind.value, inputs=spec.inputs)
        return result

    def _generation(self, artifact: Any, leaves: list[tuple[str, str]]) -> dict[str, Any]:
        kept, dropped, funnel = [], [], []
        for leaf_id, path in leaves:
            kept += [sample(leaf_id, path, n) for n in range(4)]
            dropped += [
                DroppedSample(sample=sample(leaf_id, path, 10 + n), filter=name, reason=f"{name} says no.", score=score)
                for n, (name, score) in enumerate([("grounding", 0.2), ("near_duplicate", 0.93)])
            ]
            funnel += [
                FunnelStep(leaf_id=leaf_id, step="asked", given=6, kept=6),
                FunnelStep(leaf_id=leaf_id, step="grounding", given=6, kept=5, dropped={"grounding": 1}),
                FunnelStep(leaf_id=leaf_id, step="near_duplicate", given=5, kept=4, dropped={"near_duplicate": 1}),
            ]
        artifact.write_text("samples.jsonl", "".join(row.model_dump_json() + "\n" for row in kept))
        artifact.write_text("dropped.jsonl", "".join(row.model_dump_json() + "\n" for row in dropped))
        artifact.write_json("funnel.json", [step.model_dump(mode="json") for step in funnel])
        return {
            "samples": len(kept),
            "dropped": {"grounding": len(leaves), "near_duplicate": len(leaves)},
            "requests": 3 * len(kept),
            "prompt_tokens": 900,
            "completion_tokens": 200,
            "judge": {
                "knowledge": {
                    "judge": "likelihood",
                    "area": 0.81,
                    "low": 0.66,
                    "high": 0.96,
                    "decides": True,
                    "reason": "It tells right from wrong.",
                },
                "freeform": {
                    "judge": "likelihood",
                    "area": 0.55,
                    "low": 0.31,
                    "high": 0.79,
                    "decides": False,
                    "reason": "It is hardly better than chance.",
                },
            },
            "leaves": {leaf_id: 4 for leaf_id, _ in leaves},
        }


def run_stage(fake: FakeBroker, round_: Round, *, now: datetime = NOW) -> StageSpec:
    """Let the fake worker take the last message that was sent and finish it."""
    worker, spec = FakeWorker(), fake.specs[-1]
    fake.queue.discard(broker.task_id(spec.reference))
    services.report_apply(report=worker.report(spec, "started", 1), now=now)
    leaves = [(str(leaf.leaf_id), leaf.path) for leaf in round_.leaves.all()]
    result = worker.finish(spec, leaves)
    services.report_apply(
        report=worker.report(spec, "done", 2, artifact=spec.output, result=result), now=now + timedelta(seconds=60)
    )
    return spec


def run_all(fake: FakeBroker, round_: Round) -> None:
    """Let the fake worker do every stage."""
    for _ in range(6):
        round_.refresh_from_db()
        if round_.state != "running":
            return
        run_stage(fake, round_)
