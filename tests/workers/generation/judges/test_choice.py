"""A grade from one token's probabilities."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.filters.rows import a_row
from tests.workers.generation.leaves import knowledge_leaf
from workers.generation.judges.choice import Choice, expected_grade
from workers.teacher.client import Endpoint, TeacherClient


def test_the_grade_is_the_expectation_over_the_choices_alone() -> None:
    first = {"3": math.log(0.3), "1": math.log(0.1), " 3": math.log(0.1), "Sure": math.log(0.5)}
    assert expected_grade(first) == pytest.approx((3 * 0.4 + 1 * 0.1) / 0.5)


def test_where_no_choice_is_likely_there_is_no_grade() -> None:
    assert expected_grade({"Sure": -0.1}) is None
    assert expected_grade({}) is None


def test_one_token_is_asked_for_and_the_choices_are_constrained_on_vllm() -> None:
    row = a_row(knowledge_leaf(), source="The lantern is of granite.", question="Of what?", answer="Granite.")

    async def asked(vllm: bool) -> float | None:
        async with TeacherClient(Endpoint(server.url, "teacher", vllm=vllm), max_in_flight=1) as client:
            return await Choice(client).score(row)

    with FakeTeacher() as server:
        grades = [asyncio.run(asked(vllm)) for vllm in (True, False)]
        assert all(grade is not None and grade > 2 for grade in grades)
        assert server.requests[0]["structured_outputs"] == {"choice": ["1", "2", "3"]}
        assert "structured_outputs" not in server.requests[1]
        assert all(body["max_tokens"] == 1 and body["top_logprobs"] == 20 for body in server.requests)
