"""What earlier releases were taught is not taught again: found leaf by leaf in their samples, and dropped by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.filters.rows import a_row, memory_of, reason
from tests.workers.generation.leaves import freeform_leaf, recipe
from tests.workers.generation.test_run import run, samples_of
from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.generation.earlier import earlier_samples
from workers.generation.filters.duplicates import EarlierRelease
from workers.specs import Message, Sample, SampleMetadata


def sample(leaf_id: str, question: str) -> Sample:
    messages = (Message(role="user", content=question), Message(role="assistant", content="So it is."))
    metadata = SampleMetadata(leaf_id=leaf_id, leaf_path=leaf_id, origin="generated")
    return Sample(sample_id=question[:8], messages=messages, metadata=metadata)


def written(folder: Path, name: str, rows: list[Sample], *, finished: bool = True) -> ArtifactStore:
    store = ArtifactStore(f"file://{folder}")
    artifact = store.artifact(name)
    artifact.write_text("samples.jsonl", "".join(row.model_dump_json() + "\n" for row in rows))
    if finished:
        artifact.finish(kind="generation")
    return store


def test_each_leafs_samples_are_found_wherever_they_lie(tmp_path: Path) -> None:
    rows = [sample(f"leaf-{n % 3}", f"Frage {n} über Äpfel?") for n in range(9)]
    written(tmp_path, "one", rows)
    store = written(tmp_path, "two", [sample("leaf-1", "What now?")])
    found = earlier_samples(store, {"samples:4": "one", "samples:7": "two", "earlier:4": "mixture"})
    assert found is not None
    assert list(found.asked("leaf-1")) == [
        *((f"Frage {n} über Äpfel?", "a sample of round 4") for n in (1, 4, 7)),
        ("What now?", "a sample of round 7"),
    ]
    assert list(found.asked("unknown")) == []
    assert earlier_samples(store, {"earlier:4": "mixture"}) is None


def test_samples_that_are_not_finished_are_no_input(tmp_path: Path) -> None:
    store = written(tmp_path, "half", [sample("leaf", "What?")], finished=False)
    with pytest.raises(ArtifactProblem, match="not finished"):
        earlier_samples(store, {"samples:1": "half"})


def test_nearly_the_same_question_is_dropped_with_the_round_it_is_from() -> None:
    leaf = freeform_leaf()
    memory = memory_of(leaf, earlier=[("Write a line about a ferry in the morning fog.", "a sample of round 4")])
    near = a_row(leaf, question="Write a line about the ferry in the morning fog.")
    assert reason(EarlierRelease(), near, "question", memory) == (
        "The question is nearly the same as that of a sample of round 4."
    )
    assert reason(EarlierRelease(), a_row(leaf, question="Write about three sheep."), "question", memory) is None
    assert reason(EarlierRelease(), near, "question") is None


def test_a_round_for_a_student_that_knows_them_asks_for_others(tmp_path: Path) -> None:
    """The same order twice, the second after the first was taught: everything it would repeat is dropped by name."""
    wanted: dict[str, Any] = {"leaves": (freeform_leaf(),), "wanted": recipe(samples_per_leaf=4, attempts_factor=3.0)}
    with FakeTeacher() as server:
        _, first = run(tmp_path, server, name="first", **wanted)
        first.finish(kind="generation")
        earlier = earlier_samples(first.store, {"samples:1": "first"})
        summary, second = run(tmp_path, server, name="second", earlier=earlier, **wanted)
    assert summary["dropped"]["earlier_release"] >= 4
    known = {row.messages[0].content for row in samples_of(first)}
    assert not known & {row.messages[0].content for row in samples_of(second)}
