"""A grade that is written after a reason."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.filters.rows import a_row
from tests.workers.generation.leaves import knowledge_leaf
from workers.generation.judges.written import REASON_TOKENS, Written, written_grade
from workers.teacher.client import Endpoint, TeacherClient


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("The text says so.\nGrade: 3", 3.0),
        ("A grade of 3 would need more.\n**Grade:** 2", 2.0),
        ("grade 1", 1.0),
        ("Grade: 10", None),
        ("Grade: 0", None),
        ("It is right.", None),
        ("", None),
    ],
)
def test_the_last_grade_that_is_named_counts(text: str, grade: float | None) -> None:
    assert written_grade(text) == grade


def test_it_is_asked_to_say_why_and_given_the_room() -> None:
    row = a_row(knowledge_leaf(), source="The lantern is of granite.", question="Of what?", answer="Granite.")

    def graded(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": "It is right.\nGrade: 3"}}]})

    async def asked() -> float | None:
        async with TeacherClient(Endpoint(server.url, "teacher"), max_in_flight=1) as client:
            return await Written(client).score(row)

    with FakeTeacher(behaviour=graded) as server:
        assert asyncio.run(asked()) == 3.0
        body = server.requests[0]
    assert body["max_tokens"] == REASON_TOKENS
    assert "logprobs" not in body
    text = body["messages"][0]["content"]
    assert "First say in two or three sentences" in text
    assert "The lantern is of granite." in text
    assert "grade alone" not in text
