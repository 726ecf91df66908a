"""How much a document raises an answer's probability."""

from __future__ import annotations

import asyncio

import pytest

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.filters.rows import a_row
from tests.workers.generation.leaves import freeform_leaf, knowledge_leaf
from workers.generation.judges.likelihood import Likelihood
from workers.generation.rows import Row
from workers.teacher.client import Endpoint, TeacherClient


def score(server: FakeTeacher, row: Row) -> float | None:
    async def asked() -> float | None:
        async with TeacherClient(Endpoint(server.url, "teacher"), max_in_flight=2, attempts=1) as client:
            return await Likelihood(client).score(row)

    return asyncio.run(asked())


def test_an_answer_that_the_document_says_is_raised_and_another_is_not() -> None:
    source = "The lantern is of granite and iron."
    with FakeTeacher() as server:
        said = score(server, a_row(knowledge_leaf(), source=source, question="Of what?", answer="granite iron"))
        unsaid = score(server, a_row(knowledge_leaf(), source=source, question="Of what?", answer="velvet silk"))
    # The fake teacher: -0.5 for a word that came before, -6 for a new one.
    assert said == pytest.approx(5.5)
    assert unsaid == pytest.approx(0.0)


def test_without_a_document_it_is_the_question_that_raises() -> None:
    with FakeTeacher() as server:
        row = a_row(freeform_leaf(), question="A line about snow", answer="snow falls")
        assert score(server, row) == pytest.approx(2.75)


def test_a_server_without_probabilities_gives_no_score() -> None:
    from aiohttp import web

    def plain(_request: web.Request, _body: object) -> web.Response:
        return web.json_response({"choices": [{"text": "x", "finish_reason": "stop"}]})

    with FakeTeacher(behaviour=plain) as server:
        assert score(server, a_row(knowledge_leaf(), source="x", question="y", answer="z")) is None
