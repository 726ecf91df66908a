"""One question to a real (tiny) model: what it answers, how it reads an answer, and the process that does it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.planning_data import settings_in
from workers.asking.answerer import Answerer, answerer_for, answerer_release
from workers.asking.answering import LEAST_ANSWER_TOKENS, answer, serve
from workers.asking.specs import AnswersOrder, AskedQuestion, GivenAnswer
from workers.evaluation.likelihood import answer_logprobs, chat_continuation
from workers.specs import Message, ModelReference
from workers.stages import StageCancelled, StageFailure


def asked(question: str = "What is red?", answer_text: str = "The rose is red.", key: str = "k1") -> AskedQuestion:
    return AskedQuestion(key=key, question=question, answer=answer_text)


def test_the_answer_is_the_models_likeliest_words_and_no_longer_than_wanted(loaded: Any) -> None:
    given = answer(loaded, asked())
    again = answer(loaded, asked())
    assert given == again
    assert given.left_out == ""
    assert len(loaded.tokenizer(given.text)["input_ids"]) <= LEAST_ANSWER_TOKENS + 4


def test_the_reading_is_that_of_the_evaluation(loaded: Any) -> None:
    question = asked()
    item = chat_continuation(loaded.tokenizer, [Message(role="user", content=question.question)], question.answer)
    values = answer_logprobs(loaded, [item])[0]
    reading = answer(loaded, question).reading
    assert reading is not None
    assert reading.tokens == len(values)
    assert reading.likelihood == pytest.approx(math.exp(math.fsum(values) / len(values)), abs=2e-5)
    assert reading.surprise_probability == pytest.approx(math.exp(min(values)), abs=2e-5)
    assert reading.surprise in question.answer.split()


def test_the_text_to_work_on_is_read_before_the_question(loaded: Any) -> None:
    plain = answer(loaded, asked())
    shown = answer(loaded, asked().model_copy(update={"shown": "Roses grow in rows."}))
    assert shown.reading is not None
    assert plain.reading is not None
    assert shown.reading.likelihood != plain.reading.likelihood


def test_a_question_without_an_answer_yet_is_answered_and_not_judged(loaded: Any) -> None:
    given = answer(loaded, asked(answer_text=""))
    assert given.reading is None
    assert given.known == ""


def test_what_the_model_cannot_read_is_left_out_and_said(loaded: Any) -> None:
    given = answer(loaded, asked(question="word " * 5000))
    assert "longer than the" in given.left_out
    assert given.text == ""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    answerer_release()


def order(*questions: AskedQuestion) -> AnswersOrder:
    return AnswersOrder(model=ModelReference(name="/m"), questions=questions)


def test_answers_come_one_by_one_and_the_process_stays_for_the_next(model_folder: Path, kept: Path) -> None:
    settings = settings_in(kept)
    told: list[int] = []
    first = answerer_for(model_folder, settings)
    found = first.ask(
        order(asked(), asked("What is blue?", "", "k2")), told=lambda so_far: told.append(len(so_far)), cancelled=bool
    )
    assert [given.key for given in found] == ["k1", "k2"]
    assert told[-1] == 2
    assert told == sorted(told)
    second = answerer_for(model_folder, settings)
    assert second is first
    assert [given.key for given in second.ask(order(asked(key="k3")), told=lambda _: None, cancelled=bool)] == ["k3"]
    folder = first.folder
    answerer_release()
    assert not first.child.running
    assert not folder.exists()


def test_asking_to_stop_ends_the_process(model_folder: Path, kept: Path) -> None:
    found = answerer_for(model_folder, settings_in(kept))
    many = [asked(key=f"k{number}") for number in range(200)]
    with pytest.raises(StageCancelled):
        found.ask(order(*many), told=lambda _: None, cancelled=lambda: True)
    assert not found.child.running
    assert answerer_for(model_folder, settings_in(kept)) is not found


def test_a_model_that_cannot_be_loaded_is_a_failure_in_words(kept: Path) -> None:
    (kept / "nothing").mkdir()
    found = Answerer(kept / "nothing", settings_in(kept))
    with pytest.raises(StageFailure) as caught:
        found.ask(order(asked()), told=lambda _: None, cancelled=bool)
    assert caught.value.problem.code == "answering"
    assert not found.folder.exists()


def test_the_process_ends_by_itself_when_nobody_asks(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "order-1.json").write_text(order(asked()).model_dump_json())
    serve(model_folder, tmp_path, keep_seconds=0.2)
    lines = (tmp_path / "answers-1.jsonl").read_text().splitlines()
    assert [GivenAnswer.model_validate_json(line).key for line in lines] == ["k1"]
    assert (tmp_path / "end-1.json").read_text() == "null"
