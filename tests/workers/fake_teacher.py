"""A small OpenAI-compatible server for tests: real HTTP, invented answers, and a record of all it was asked.

Runs in a thread of the test, or by itself: ``python -m tests.workers.fake_teacher PORT RECORD LATENCY``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

PROBE = "What colour is fresh grass?"
Behaviour = Callable[[web.Request, dict[str, Any]], web.Response | None]
WORDS = (
    *("amber", "basin", "candle", "delta", "ember", "fern", "granite", "harbour", "iris", "juniper", "kettle"),
    *("lantern", "meadow", "nettle", "orchard", "pebble", "quarry", "ribbon", "saddle", "timber", "umber", "valley"),
    *("willow", "yarrow", "zephyr", "anchor", "bramble", "cobble"),
)


def invented(*parts: object, count: int = 6) -> str:
    """Words that depend on nothing but ``parts``."""
    digest = hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()
    return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:count])


class FakeTeacher:
    """Use as a context manager. ``behaviour`` may answer a request in place of the usual reply.

    What a probe asks is answered well, and kept in ``probes`` apart from ``requests``; ``to_probes`` may answer it.
    ``context``: the longest text in tokens, as the list of models says it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        key: str | None = None,
        models: tuple[str, ...] = ("teacher",),
        latency: float = 0.0,
        behaviour: Behaviour | None = None,
        record: Path | None = None,
        to_probes: Behaviour | None = None,
        context: int | None = None,
    ) -> None:
        self.to_probes, self.context = to_probes, context
        self.probes: list[dict[str, Any]] = []
        self.port, self.key, self.models, self.latency = port, key, models, latency
        self.behaviour, self.record = behaviour, record
        self.requests: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def prompts(self) -> list[str]:
        """Everything that was ever sent as text."""
        return [
            body["prompt"] if "prompt" in body else "\n".join(message["content"] for message in body["messages"])
            for body in self.requests
        ]

    def __enter__(self) -> FakeTeacher:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/completions", self._answer)
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response()

    def _allowed(self, request: web.Request) -> bool:
        return self.key is None or request.headers.get("Authorization") == f"Bearer {self.key}"

    async def _list(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        return web.json_response(
            {"object": "list", "data": [{"id": name, "max_model_len": self.context} for name in self.models]}
        )

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        body = await request.json()
        if PROBE in json.dumps(body):
            self.probes.append(body)
            if self.to_probes is not None and (special := self.to_probes(request, body)) is not None:
                return special
            return web.json_response(reply(body))
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            self.requests.append(body)
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.behaviour is not None and (special := self.behaviour(request, body)) is not None:
                return special
            if body.get("model") not in self.models:
                return web.json_response(
                    {"error": {"message": f"The model {body.get('model')} does not exist."}}, status=404
                )
            if self.record is not None:
                with self.record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(body) + "\n")
            return web.json_response(reply(body, len(self.requests)))
        finally:
            self._in_flight -= 1


def reply(body: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """The usual reply: an invented question, answer or text; echoed probabilities; a grade.

    The same request with the same seed gets the same; one without a seed depends on ``number``.
    """
    usage = {"prompt_tokens": 50, "completion_tokens": 10}
    if "messages" in body:
        return {"choices": [_chat_choice(body)], "usage": usage}
    prompt = body["prompt"]
    if body.get("echo"):
        return {"choices": [_echoed(prompt)], "usage": {"prompt_tokens": 50, "completion_tokens": 0}}
    unique = (prompt, body.get("seed", number))
    last = prompt.rstrip().rsplit("\n", 1)[-1]
    if last.startswith("Answer:"):
        text = f" It is the {invented(*unique, 'answer')}."
    elif last.startswith("Text:"):
        text = f" The {invented(*unique, 'text', count=14)} stood there."
    else:
        text = f" is the {invented(*unique, 'question', count=8)}?\nAnswer: and so on"
    return {"choices": [{"text": text, "finish_reason": "stop"}], "usage": usage}


def _chat_choice(body: dict[str, Any]) -> dict[str, Any]:
    asked = body["messages"][-1]["content"]
    if body.get("logprobs") or "\nGrades:" in asked:
        # Grades what repeats a word of the text as right: enough to tell seeds from planted faults.
        answer = re.search(r"Answer: (.*)", asked)
        before = asked[: answer.start()] if answer else asked
        known = set(re.findall(r"\w+", before.lower()))
        words = re.findall(r"\w+", answer[1].lower()) if answer else []
        good = bool(words) and sum(word in known for word in words) / len(words) > 0.8
        if not body.get("logprobs"):
            return {"message": {"content": f"I have read it.\nGrade: {3 if good else 1}"}, "finish_reason": "stop"}
        top = [("3", -0.2), ("1", -1.8)] if good else [("1", -0.2), ("2", -1.8)]
        content = [{"token": top[0][0], "logprob": -0.2, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}]
        return {"message": {"content": top[0][0]}, "finish_reason": "stop", "logprobs": {"content": content}}
    if PROBE in asked:
        return {"message": {"content": '{"answer": "Green."}'}, "finish_reason": "stop"}
    field = re.findall(r'Reply with JSON: \{"(\w+)"', asked)[-1]
    unique = (asked, body.get("seed"))
    text = {
        "question": f"What is the {invented(*unique, 'question', count=8)}?",
        "answer": f"It is the {invented(*unique, 'answer')}.",
        "context": f"The {invented(*unique, 'text', count=14)} stood there.",
    }[field]
    return {"message": {"content": json.dumps({field: text})}, "finish_reason": "stop"}


def _echoed(prompt: str) -> dict[str, Any]:
    """Every word a token; a word that came before is likely, a new one is not."""
    offsets: list[int] = []
    values: list[float | None] = []
    seen: set[str] = set()
    for match in re.finditer(r"\S+\s*", prompt):
        word = match[0].strip(" .,?!\n").lower()
        offsets.append(match.start())
        values.append(None if not values else -0.5 if word in seen else -6.0)
        seen.add(word)
    return {"text": prompt, "finish_reason": "length", "logprobs": {"text_offset": offsets, "token_logprobs": values}}


if __name__ == "__main__":
    _, _port, _record, _latency = sys.argv
    asyncio.run(FakeTeacher(port=int(_port), record=Path(_record), latency=float(_latency)).serve())
