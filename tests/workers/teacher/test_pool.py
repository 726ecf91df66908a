"""One teacher at several addresses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.workers.fake_teacher import FakeTeacher
from workers.teacher.client import Endpoint, TeacherClient, TeacherProblem
from workers.teacher.pool import TeacherPool
from workers.teacher.server import free_port


def pool_of(*limits: tuple[str, int], key: str | None = None) -> TeacherPool:
    return TeacherPool(
        [
            TeacherClient(Endpoint(url, "teacher", key), max_in_flight=most, attempts=2, backoff=0.01)
            for url, most in limits
        ]
    )


async def ask_many(pool: TeacherPool, count: int) -> int:
    async with pool:
        await pool.check()
        await asyncio.gather(*(pool.complete(f"{n} Question:", max_tokens=8, temperature=0) for n in range(count)))
        return pool.usage.requests


def test_each_address_is_kept_to_its_own_limit_and_both_are_used() -> None:
    with FakeTeacher(latency=0.05) as small, FakeTeacher(latency=0.05) as large:
        assert asyncio.run(ask_many(pool_of((small.url, 2), (large.url, 6)), 64)) == 64
        assert (small.most_in_flight, large.most_in_flight) == (2, 6)
        assert len(small.requests) + len(large.requests) == 64
        assert len(large.requests) > len(small.requests) >= 8


def test_an_address_that_breaks_is_left_out_and_nothing_is_lost() -> None:
    answered: list[int] = []

    def breaks(_request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        answered.append(1)
        return web.Response(status=503) if len(answered) > 10 else None

    with FakeTeacher(behaviour=breaks) as first, FakeTeacher() as second:
        assert asyncio.run(ask_many(pool_of((first.url, 4), (second.url, 4)), 60)) == 60
        assert len(second.requests) >= 50


def test_one_that_is_not_there_at_the_beginning_is_left_out_too() -> None:
    with FakeTeacher() as server:
        assert asyncio.run(ask_many(pool_of((f"http://127.0.0.1:{free_port()}/v1", 4), (server.url, 4)), 8)) == 8


def test_the_teacher_is_gone_when_all_addresses_are() -> None:
    limits = [(f"http://127.0.0.1:{free_port()}/v1", 4) for _ in range(2)]
    with pytest.raises(TeacherProblem) as caught:
        asyncio.run(ask_many(pool_of(*limits), 4))
    assert caught.value.problem.code == "teacher_unreachable"


def test_a_wrong_key_at_one_of_them_is_said_and_not_passed_over() -> None:
    with FakeTeacher(key="right") as locked, FakeTeacher() as free, pytest.raises(TeacherProblem) as caught:
        asyncio.run(ask_many(pool_of((free.url, 4), (locked.url, 4), key="wrong"), 4))
    assert caught.value.problem.code == "teacher_key"
