"""Rounds, submissions and evaluations made without models, for the tests of releases."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from taxonomy_app.contributions.models import Decision, Revision, Submission
from taxonomy_app.people.models import User
from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.models import Release
from taxonomy_app.releases.services import release_create
from taxonomy_app.rounds.models import Round, RoundLeaf, Stage
from workers.recipes import recipe
from workers.specs import (
    EvaluationResult,
    ItemScore,
    LeafPin,
    ModelReference,
    RoundPlan,
    Score,
    StageKind,
    TeacherReference,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def leaf_id(path: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, path)


def make_round(
    owner: User,
    leaves: Mapping[str, int],
    *,
    commit: str = "c" * 40,
    held_out: int = 5,
    blobs: Mapping[str, str] | None = None,
    student: str = "bundled:smollm2-135m-instruct",
) -> Round:
    """A finished round over ``leaves`` (path → number of seeds taught; 0 for a leaf that is only evaluated)."""
    number = Round.objects.count() + 1
    pins = {path: (blobs or {}).get(path, f"{leaf_id(path).hex:b<40}"[:40]) for path in leaves}
    plan = RoundPlan(
        taxonomy_commit=commit,
        leaves=tuple(LeafPin(leaf_id=str(leaf_id(path)), path=path, blob=blob) for path, blob in pins.items()),
        teacher=TeacherReference(),
        student=ModelReference(name=student),
        recipe=recipe("quick"),
        random_seed=number,
        code_version="0.1.0",
    )
    made = Round.objects.create(
        number=number,
        title=f"Round {number}",
        plan=plan.model_dump(mode="json"),
        plan_hash=plan.hash,
        plan_artifact=f"plan-{number}",
        taxonomy_commit=commit,
        state="done",
        created_by=owner,
        created_at=NOW,
        started_at=NOW,
        ended_at=NOW,
    )
    RoundLeaf.objects.bulk_create(
        RoundLeaf(
            round=made,
            leaf_id=leaf_id(path),
            path=path,
            kind="freeform",
            blob=pins[path],
            taught_count=taught,
            taught=[f"t{i}" for i in range(taught)],
            held_out=[f"{leaf_id(path)}#{i}" for i in range(held_out)],
        )
        for path, taught in leaves.items()
    )
    Stage.objects.bulk_create(
        Stage(round=made, kind=kind, position=position, state="done", output_artifact=f"{kind}-{number}")
        for position, kind in enumerate(StageKind)
    )
    return made


def score(
    subject: str, scope: str, name: str, metric: str, values: Sequence[float] | Mapping[str, float], **more: Any
) -> Score:
    """A score from values in the items' order, or from values by item id; the standard error is that of the mean."""
    found = dict(values) if isinstance(values, Mapping) else {f"{name}#{i}": v for i, v in enumerate(values)}
    mean = sum(found.values()) / len(found)
    n = len(found)
    spread = sum((v - mean) ** 2 for v in found.values())
    return Score(
        subject=subject,
        scope=scope,
        name=name,
        metric=metric,
        mean=mean,
        standard_error=(spread / (n - 1) / n) ** 0.5 if n > 1 else None,
        items=tuple(ItemScore(item_id=key, value=value) for key, value in found.items()),
        **more,
    )


def leaf_scores(
    path: str, before: Sequence[float], after: Sequence[float], control: Sequence[float] = ()
) -> list[Score]:
    name = str(leaf_id(path))
    found = [score("before", "leaf", name, METRIC, before), score("after", "leaf", name, METRIC, after)]
    return [*found, score("control", "leaf", name, METRIC, control)] if control else found


def evaluation(*scores: Score) -> EvaluationResult:
    return EvaluationResult(scores=scores, comparisons=(), seconds=1.0)


def general_loss(before: Sequence[float], after: Sequence[float], control: Sequence[float] = ()) -> list[Score]:
    found = [score("before", "general", "general", "loss", before), score("after", "general", "general", "loss", after)]
    return [*found, score("control", "general", "general", "loss", control)] if control else found


def make_release(owner: User, scores: Mapping[str, tuple[Sequence[float], Sequence[float]]], **more: Any) -> Release:
    """A release whose round taught every leaf of ``scores`` (path → values before and after)."""
    more.setdefault("taught", dict.fromkeys(scores, 6))
    taught = more.pop("taught")
    extra = more.pop("extra", [])
    contains = more.pop("contains", lambda commit, ancestor: True)
    made = make_round(owner, taught, **more)
    rows = [row for path, (before, after) in scores.items() for row in leaf_scores(path, before, after)]
    return release_create(round=made, evaluation=evaluation(*rows, *extra), now=NOW, contains=contains)


def make_submission(author: User, reviewer: User, path: str, commit: str) -> Submission:
    """A submission that was approved and committed."""
    submission = Submission.objects.create(
        author=author,
        kind="freeform",
        path=path,
        branch=path.split("/", maxsplit=1)[0],
        state="committed",
        leaf_id=leaf_id(path),
        commit=commit,
        created_at=NOW,
        submitted_at=NOW,
        updated_at=NOW,
    )
    revision = Revision.objects.create(
        submission=submission, number=1, path=path, qna="version: 3\n", signed_off_as="A <a@b.c>", signed_off_at=NOW
    )
    Decision.objects.create(
        submission=submission, revision=revision, reviewer=reviewer, verdict="approve", decided_at=NOW
    )
    return submission


def noisy(generator: random.Random, mean: float, n: int, spread: float = 0.2) -> list[float]:
    return [generator.gauss(mean, spread) for _ in range(n)]
