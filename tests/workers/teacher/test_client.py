"""The client: bounded in flight, patient where waiting helps, and one clear sentence where it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from aiohttp import web

from tests.workers.fake_teacher import FakeTeacher
from workers.teacher.client import Endpoint, RequestRefused, Slots, TeacherClient, TeacherProblem, endpoint_url
from workers.teacher.server import free_port

T = TypeVar("T")


def ask(server: FakeTeacher, question: Callable[[TeacherClient], Awaitable[T]], **options: Any) -> T:
    """What a client gets from ``server``."""

    async def asked() -> T:
        endpoint = Endpoint(server.url, options.pop("model", "teacher"), options.pop("key", None))
        async with TeacherClient(endpoint, **({"max_in_flight": 8, "backoff": 0.01} | options)) as client:
            return await question(client)

    return asyncio.run(asked())


def complete(client: TeacherClient) -> Awaitable[Any]:
    return client.complete("Question:", max_tokens=8, temperature=0.5, stop=["\n"])


def failing(times: int, status: int, headers: dict[str, str] | None = None) -> Callable[[web.Request, Any], Any]:
    """The first ``times`` requests are answered with ``status``."""
    left = [times]

    def behaviour(_request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        if left[0] == 0:
            return None
        left[0] -= 1
        return web.json_response({"error": {"message": "try another time"}}, status=status, headers=headers)

    return behaviour


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://models.example/v1/chat/completions", "https://models.example/v1"),
        ("https://models.example/openai/deployments/x/", "https://models.example/openai/deployments/x"),
    ],
)
def test_an_address_may_be_written_as_people_write_it(written: str, meant: str) -> None:
    assert endpoint_url(written) == meant


@pytest.mark.parametrize(
    "written",
    ["", "localhost:8000", "ftp://x/v1", "http://user:secret@host/v1", "file:///etc", "http://[::1", "http://a:b/"],
)
def test_what_is_no_web_address_is_refused(written: str) -> None:
    with pytest.raises(TeacherProblem) as caught:
        endpoint_url(written)
    assert caught.value.problem.code == "teacher_url"
    assert "secret" not in caught.value.problem.message


def test_the_text_that_stops_is_cut_even_where_the_server_leaves_it_in() -> None:
    with FakeTeacher() as server:
        reply = ask(server, complete)
    assert reply.text.endswith("?")
    assert "\n" not in reply.text


def test_no_more_requests_are_open_than_allowed() -> None:
    async def many(client: TeacherClient) -> float:
        await asyncio.gather(*(client.complete(f"{n} Question:", max_tokens=8, temperature=0) for n in range(40)))
        return client.usage.mean_in_flight

    with FakeTeacher(latency=0.02) as server:
        mean = ask(server, many, max_in_flight=4)
        assert server.most_in_flight == 4
        assert len(server.requests) == 40
    assert 3.0 <= mean <= 4.0


def test_tokens_are_counted_as_the_server_says() -> None:
    async def twice(client: TeacherClient) -> tuple[int, int, int]:
        await complete(client)
        await complete(client)
        return client.usage.requests, client.usage.prompt_tokens, client.usage.completion_tokens

    with FakeTeacher() as server:
        assert ask(server, twice) == (2, 100, 20)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_server_that_says_later_is_asked_again(status: int) -> None:
    with FakeTeacher(behaviour=failing(2, status)) as server:
        assert ask(server, complete).text
        assert len(server.requests) == 3


def test_retry_after_is_waited_for() -> None:
    with FakeTeacher(behaviour=failing(1, 429, {"Retry-After": "1"})) as server:
        begun = time.monotonic()
        assert ask(server, complete).text
        assert time.monotonic() - begun >= 1.0


def test_a_rate_limit_is_no_failure_and_makes_every_request_wait() -> None:
    arrivals: list[float] = []
    begun = time.monotonic()

    def limit(_request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        arrivals.append(time.monotonic() - begun)
        if arrivals[-1] - arrivals[0] < 1.0:
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "1"})
        return None

    async def many(client: TeacherClient) -> int:
        await asyncio.gather(*(client.complete(f"{n} Question:", max_tokens=8, temperature=0) for n in range(24)))
        return client.usage.requests

    with FakeTeacher(behaviour=limit) as server:
        # Two tries would not do if being told to wait were one.
        assert ask(server, many, attempts=2, max_in_flight=6) == 24
    refused = [at for at in arrivals if at - arrivals[0] < 1.0]
    assert len(refused) <= 6, "those that had not asked yet wait as well"
    back = [at for at in arrivals if at - arrivals[0] >= 1.0]
    assert len({round(at, 3) for at in back[:6]}) > 1, "they do not come back in one moment"


def test_a_server_that_only_asks_for_patience_is_given_up_in_the_end() -> None:
    async def impatient(client: TeacherClient) -> Any:
        client.pace.limited_patience = 0.3
        return await complete(client)

    with FakeTeacher(behaviour=failing(10_000, 429)) as server, pytest.raises(TeacherProblem) as caught:
        ask(server, impatient)
    assert caught.value.problem.code == "teacher_unreachable"
    assert "429" in caught.value.problem.message


def test_a_broken_server_is_tried_by_one_request_at_a_time_and_given_up_once_for_all() -> None:
    async def many(client: TeacherClient) -> list[Any]:
        asked = (client.complete(f"{n} Question:", max_tokens=8, temperature=0) for n in range(200))
        return await asyncio.gather(*asked, return_exceptions=True)

    with FakeTeacher(behaviour=failing(10_000, 500)) as server:
        ends = ask(server, many, attempts=4, max_in_flight=50)
        tries = len(server.requests)
    assert {type(end) for end in ends} == {TeacherProblem}
    # The fifty that were open when it broke, then four by themselves: not four tries of each of two hundred.
    assert tries <= 50 + 4 + 5


def test_a_server_that_comes_back_is_used_by_all_again() -> None:
    async def many(client: TeacherClient) -> int:
        await asyncio.gather(*(client.complete(f"{n} Question:", max_tokens=8, temperature=0) for n in range(60)))
        assert not client.pace.broken
        return server.most_in_flight

    with FakeTeacher(behaviour=failing(14, 503), latency=0.05) as server:
        assert ask(server, many, max_in_flight=10, attempts=8) > 5
        assert len(server.requests) == 74


def test_patience_ends() -> None:
    with FakeTeacher(behaviour=failing(99, 503)) as server:
        with pytest.raises(TeacherProblem) as caught:
            ask(server, complete, attempts=3)
        assert len(server.requests) == 3
    assert caught.value.problem.code == "teacher_unreachable"
    assert caught.value.problem.retry
    assert "503" in caught.value.problem.message


def test_a_refused_request_is_not_repeated_and_concerns_itself_only() -> None:
    with FakeTeacher(behaviour=failing(99, 400)) as server:
        with pytest.raises(RequestRefused, match="try another time"):
            ask(server, complete)
        assert len(server.requests) == 1


def test_a_reply_without_choices_counts_as_a_broken_one() -> None:
    sent = []

    def empty_once(_request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        sent.append(1)
        return web.json_response({"choices": []}) if len(sent) == 1 else None

    with FakeTeacher(behaviour=empty_once) as server:
        assert ask(server, complete).text
    assert len(sent) == 2


def test_a_server_that_is_not_there_gives_one_sentence() -> None:
    server = FakeTeacher(port=free_port())
    for question in (complete, lambda client: client.check()):
        with pytest.raises(TeacherProblem) as caught:
            ask(server, question, attempts=2)
        assert caught.value.problem.code == "teacher_unreachable"
        assert "nothing listens there" in caught.value.problem.message


def test_a_machine_that_does_not_exist_gives_one_sentence() -> None:
    async def asked() -> None:
        async with TeacherClient(Endpoint("http://no-such-machine.invalid/v1", "m"), max_in_flight=1) as client:
            await client.check()

    with pytest.raises(TeacherProblem) as caught:
        asyncio.run(asked())
    assert caught.value.problem.code == "teacher_unreachable"


@pytest.mark.parametrize("question", [complete, lambda client: client.check()])
def test_a_wrong_key_gives_one_sentence_without_the_key(question: Any) -> None:
    with FakeTeacher(key="right") as server:
        with pytest.raises(TeacherProblem) as caught:
            ask(server, question, key="wrong-and-secret")
        assert ask(server, complete, key="right").text
    assert caught.value.problem.code == "teacher_key"
    assert "wrong-and-secret" not in str(caught.value.problem)


@pytest.mark.parametrize("question", [complete, lambda client: client.check()])
def test_a_model_that_is_not_served_gives_one_sentence(question: Any) -> None:
    with FakeTeacher() as server, pytest.raises(TeacherProblem) as caught:
        ask(server, question, model="another")
    assert caught.value.problem.code == "teacher_model"
    assert "another" in caught.value.problem.message


def test_a_key_is_not_shown_when_an_endpoint_is_printed() -> None:
    assert "hidden" not in repr(Endpoint("http://x/v1", "m", "hidden"))


def test_a_redirect_is_not_followed_with_the_key() -> None:
    def elsewhere(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/steal"})

    with FakeTeacher(key="k", behaviour=elsewhere) as server, pytest.raises(TeacherProblem) as caught:
        ask(server, complete, key="k")
    assert caught.value.problem.code == "teacher_answer"


def test_the_probabilities_of_an_answer_are_those_of_its_own_tokens() -> None:
    text = "The ferry is brown. Answer: The ferry swims"
    with FakeTeacher() as server:
        values = ask(server, lambda client: client.text_logprobs(text, len("The ferry is brown. Answer:")))
    assert values == (-0.5, -0.5, -6.0)


def test_a_broken_connection_waits_for_the_server_to_come_back() -> None:
    server = FakeTeacher(port=free_port())

    async def asked() -> str:
        async def recovered() -> None:
            server.__enter__()

        endpoint = Endpoint(server.url, "teacher")
        async with TeacherClient(endpoint, max_in_flight=1, backoff=0.01, recovered=recovered) as client:
            return (await complete(client)).text

    try:
        assert asyncio.run(asked())
    finally:
        server.__exit__(None, None, None)


def test_cancelling_frees_the_slot() -> None:
    async def cancelled_then_asked(client: TeacherClient) -> str:
        slow = asyncio.ensure_future(complete(client))
        await asyncio.sleep(0.05)
        slow.cancel()
        await asyncio.wait({slow})
        server.latency = 0.0
        return str((await complete(client)).text)

    with FakeTeacher(latency=5.0) as server:
        assert ask(server, cancelled_then_asked, max_in_flight=1)


def test_places_go_to_those_who_wait_in_order_and_one_that_is_cancelled_gives_its_turn_on() -> None:
    async def run() -> list[int]:
        slots, order = Slots(1), []

        async def take(number: int) -> None:
            async with slots:
                order.append(number)
                await asyncio.sleep(0)

        tasks = []
        async with slots:
            for number in range(4):
                tasks.append(asyncio.create_task(take(number)))
                await asyncio.sleep(0)
            tasks[1].cancel()
        # The turn of 0 has come with the end of the block above; it is cancelled before it can use it.
        tasks[0].cancel()
        async with asyncio.timeout(30):  # a turn that was lost would be waited for without end
            await asyncio.gather(*tasks, return_exceptions=True)
            # All places are free again.
            async with slots:
                order.append(9)
        return order

    assert asyncio.run(run()) == [2, 3, 9]
