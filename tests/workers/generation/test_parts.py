"""What is finished is written down piece by piece and put in order at the end."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.workers.generation.filters.rows import a_row
from tests.workers.generation.leaves import freeform_leaf, knowledge_leaf
from workers.artifacts import Artifact, ArtifactStore
from workers.generation.parts import Parts, Spent
from workers.generation.rows import Outcome
from workers.specs import DroppedSample, PlannedLeaf, Sample


def outcome(leaf: PlannedLeaf, index: int, *, kept: bool = True) -> Outcome:
    sample = a_row(leaf, question=f"Question {index}?", answer="Yes.").sample()
    if kept:
        return Outcome(leaf_id=leaf.leaf_id, index=index, passed=("question",), sample=sample)
    dropped = DroppedSample(sample=sample, filter="length", reason="Too short.", score=1.0)
    return Outcome(leaf_id=leaf.leaf_id, index=index, at="question", dropped=dropped)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return ArtifactStore(f"file://{tmp_path}").artifact("made")


def test_nothing_that_was_written_is_lost_whoever_writes_next(artifact: Artifact) -> None:
    leaf = freeform_leaf()
    first = Parts(artifact)
    first.write([outcome(leaf, 0), outcome(leaf, 1, kept=False)], Spent(requests=3, seconds=1.5))
    first.write([outcome(leaf, 2)], Spent(requests=2, seconds=0.5))
    later = Parts(artifact)
    later.write([outcome(leaf, 3)], Spent(requests=1))
    assert [found.index for found in later.outcomes()] == [0, 1, 2, 3]
    assert list(later.outcomes())[1] == outcome(leaf, 1, kept=False)
    assert later.spent() == Spent(requests=6, seconds=2.0)


def test_the_files_are_in_the_order_of_the_plan(artifact: Artifact) -> None:
    leaves = [knowledge_leaf(), freeform_leaf()]
    parts = Parts(artifact)
    for number in (11, 2, 30):
        parts.write([outcome(leaves[1], number), outcome(leaves[0], number)], Spent())
        parts.write([outcome(leaves[0], number + 1, kept=False)], Spent())
    parts.assemble(leaves)
    samples = [Sample.model_validate_json(line) for line in artifact.lines("samples.jsonl")]
    expected = [(leaf.path, f"Question {number}?") for leaf, number in itertools.product(leaves, (2, 11, 30))]
    assert [(sample.metadata.leaf_path, sample.messages[0].content) for sample in samples] == expected
    dropped = [DroppedSample.model_validate_json(line) for line in artifact.lines("dropped.jsonl")]
    assert [row.sample.messages[0].content for row in dropped] == ["Question 3?", "Question 12?", "Question 31?"]
    parts.remove()
    assert artifact.names() == ["dropped.jsonl", "samples.jsonl"]


def test_more_leaves_than_files_may_be_open_at_once(artifact: Artifact) -> None:
    leaves = [freeform_leaf().model_copy(update={"leaf_id": f"leaf-{n}"}) for n in range(150)]
    parts = Parts(artifact)
    for round_number in range(2):
        parts.write([outcome(leaf, round_number) for leaf in leaves], Spent())
    parts.assemble(leaves)
    assert len(list(artifact.lines("samples.jsonl"))) == 300
