"""An asking from its message to its last report, on a real Redis: a tiny model answers, a fake teacher writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import ValidationError

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.leaves import freeform_leaf
from tests.workers.planning_data import settings_in
from workers.asking.answerer import answerer_release
from workers.asking.run import asking_run
from workers.asking.specs import (
    AnswersOrder,
    AskedQuestion,
    AskingKind,
    AskingReference,
    AskingReport,
    AskingSpec,
    SamplesOrder,
    TriedSamples,
)
from workers.environment import SharedSettings
from workers.leases import redis_client
from workers.specs import GenerationRecipe, ModelReference, TeacherReference


class Room:
    def __init__(self, settings: SharedSettings, client: redis.Redis) -> None:
        self.settings, self.client = settings, client
        self.reports: list[AskingReport] = []

    def run(self, spec: AskingSpec) -> str:
        return asking_run(
            spec,
            settings=self.settings,
            client=self.client,
            send=lambda report: self.reports.append(AskingReport.model_validate(report)),
            worker="w",
        )

    @property
    def events(self) -> list[str]:
        return [report.event for report in self.reports if report.event != "heartbeat"]


@pytest.fixture
def room(tmp_path: Path, redis_url: str) -> Iterator[Room]:
    with redis_client(redis_url) as client:
        yield Room(settings_in(tmp_path, redis_url=redis_url), client)
    answerer_release()


def reference(kind: AskingKind, attempt: int = 1) -> AskingReference:
    return AskingReference(asking_id="a1", kind=kind, attempt=attempt)


def answers_spec(model: Path, *keys: str) -> AskingSpec:
    questions = tuple(AskedQuestion(key=key, question=f"What is {key}?", answer="It is red.") for key in keys)
    return AskingSpec(
        reference=reference(AskingKind.ANSWERS),
        answers=AnswersOrder(model=ModelReference(name=str(model)), questions=questions),
    )


def samples_spec(url: str) -> AskingSpec:
    return AskingSpec(
        reference=reference(AskingKind.SAMPLES),
        samples=SamplesOrder(
            leaf=freeform_leaf(),
            teacher=TeacherReference(
                source="endpoint", url=url, model=ModelReference(name="teacher"), profile="generic-instruct"
            ),
            recipe=GenerationRecipe(samples_per_leaf=5, judge=False),
            random_seed=0,
        ),
    )


def test_every_answer_is_reported(model_folder: Path, room: Room) -> None:
    assert room.run(answers_spec(model_folder, "k1", "k2")) == "done"
    assert room.events[0] == "started"
    assert room.events[-1] == "done"
    assert [row["key"] for row in room.reports[-1].result["answers"]] == ["k1", "k2"]
    shown = [report.progress for report in room.reports if report.progress is not None]
    assert [given.key for given in shown[-1].answers] == ["k1", "k2"]
    assert (shown[-1].done, shown[-1].total) == (2, 2)


def test_an_asking_that_was_stopped_before_is_cancelled(model_folder: Path, room: Room) -> None:
    spec = answers_spec(model_folder, *(f"k{number}" for number in range(50)))
    room.client.set(spec.cancel_key, "1")
    assert room.run(spec) == "cancelled"
    assert room.events[-1] == "cancelled"


def test_an_attempt_that_another_has_overtaken_says_nothing(model_folder: Path, room: Room) -> None:
    spec = answers_spec(model_folder, "k1")
    room.client.set(f"seedbed:lease:{spec.output}", "2:other")
    assert room.run(spec) == "superseded"
    assert room.reports == []


def test_a_model_that_is_not_there_is_a_problem_in_words(tmp_path: Path, room: Room) -> None:
    assert room.run(answers_spec(tmp_path / "gone", "k1")) == "failed"
    assert room.reports[-1].problem is not None
    assert str(tmp_path / "gone") in room.reports[-1].problem.message


def test_the_teacher_writes_samples_by_the_steps_of_a_round(room: Room) -> None:
    with FakeTeacher() as teacher:
        assert room.run(samples_spec(teacher.url)) == "done"
    tried = TriedSamples.model_validate(room.reports[-1].result)
    assert len(tried.samples) == tried.wanted == 5
    assert all(sample.messages[-1].role == "assistant" for sample in tried.samples)
    assert {step.step for step in tried.funnel} == {"question", "answer", "judge"}
    # Nothing is left behind: what was written travels in the report.
    assert not list((room.settings.var / "artifacts").glob("*"))


def test_a_teacher_that_does_not_answer_is_a_problem_in_words(room: Room) -> None:
    with FakeTeacher() as teacher:
        url = teacher.url
    assert room.run(samples_spec(url)) == "failed"
    assert room.reports[-1].problem is not None
    assert room.reports[-1].problem.code.startswith("teacher")


@pytest.mark.parametrize("orders", [{}, {"samples": None, "answers": None}])
def test_a_spec_has_exactly_the_order_that_it_names(orders: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly the order"):
        AskingSpec(reference=reference(AskingKind.ANSWERS), **orders)
