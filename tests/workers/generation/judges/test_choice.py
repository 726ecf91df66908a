"""A grade from one token's probabilities."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from aiohttp import web

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


def test_without_probabilities_the_written_grade_counts_and_that_is_known() -> None:
    row = a_row(knowledge_leaf(), source="The lantern is of granite.", question="Of what?", answer="Granite.")
    said = iter(["3", " 2\n", "good"])

    def bare(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": next(said)}, "finish_reason": "stop"}]})

    async def asked() -> tuple[list[float | None], bool]:
        async with TeacherClient(Endpoint(server.url, "teacher"), max_in_flight=1) as client:
            judge = Choice(client)
            assert not judge.by_text
            return [await judge.score(row) for _ in range(3)], judge.by_text

    with FakeTeacher(behaviour=bare) as server:
        assert asyncio.run(asked()) == ([3.0, 2.0, None], True)
