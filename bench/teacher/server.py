"""An OpenAI-compatible server of fixed latency: what benchmarks of generation put in a teacher's place.

It has a number of slots, as a model's server has; a request takes one for every reply that it asks for and gives it
back after the latency (and, where that is set, so many seconds more for each token written). Requests that find no
slot free wait in the order of arrival. What is said is made up (``bench.teacher.answers``). It counts requests,
replies, tokens, and how many slots were busy on average since the last ``POST /reset``; ``GET /stats`` tells.

It speaks HTTP/1.1 by itself over asyncio, with bodies of known length only, and costs less of a processor than the
clients that it is to measure. On the loopback interface only.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.teacher.answers import PlausibleAnswers, Said, echoed, tokens_of

MODEL = "mixtral-8x7b-instruct"


class Slots:
    """Slots that jobs take in the order of arrival, and what was done with them."""

    def __init__(self, slots: int, latency: float, token_seconds: float) -> None:
        self.slots, self.latency, self.token_seconds = slots, latency, token_seconds
        self.busy = 0
        self.waiting: collections.deque[Job] = collections.deque()
        self.reset()

    def reset(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.begun: float | None = None
        self.since = time.monotonic()
        self.area = 0.0
        self.most_waiting = 0
        # In each second since the first request: busy slots on average, and tokens of the replies that were done.
        self.seconds: list[float] = []
        self.tokens: list[int] = []

    def mark(self) -> None:
        now = time.monotonic()
        if self.begun is None:
            self.begun = now
        else:
            self.area += self.busy * (now - self.since)
            left = self.since
            while left < now:
                second = int(left - self.begun)
                end = min(now, self.begun + second + 1)
                self.seconds.extend([0.0] * (second + 1 - len(self.seconds)))
                self.seconds[second] += self.busy * (end - left)
                if end <= left:
                    break
                left = end
        self.since = now

    def take(self, job: Job) -> None:
        self.mark()
        self.waiting.append(job)
        self._start()
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting and self.busy < self.slots:
            job = self.waiting.popleft()
            self.busy += 1
            loop.call_later(self.latency + job.tokens * self.token_seconds, self._finished, job)

    def _finished(self, job: Job) -> None:
        self.mark()
        self.busy -= 1
        second = int(self.since - (self.begun or self.since))
        self.tokens.extend([0] * (second + 1 - len(self.tokens)))
        self.tokens[second] += job.tokens
        self._start()
        job.request.reply_done()

    def stats(self) -> dict[str, Any]:
        self.mark()
        elapsed = self.since - (self.begun or self.since)
        return {
            **{name: self.counts[name] for name in ("requests", "replies", "prompt_tokens", "completion_tokens")},
            "mean_busy_slots": round(self.area / elapsed, 2) if elapsed else 0.0,
            "most_waiting": self.most_waiting,
            "seconds": round(elapsed, 3),
            "completion_tokens_each_second": self.tokens,
            "busy_slots_each_second": [round(value, 1) for value in self.seconds],
        }


class Job:
    """One reply of a request, for as long as it takes a slot."""

    __slots__ = ("request", "tokens")

    def __init__(self, request: Request, tokens: int) -> None:
        self.request, self.tokens = request, tokens


class Request:
    """One HTTP request for one or more replies; answered when all are there."""

    __slots__ = ("answer", "connection", "left")

    def __init__(self, connection: Connection, answer: bytes, tokens: list[int], slots: Slots) -> None:
        self.connection, self.answer, self.left = connection, answer, len(tokens)
        for count in tokens:
            slots.take(Job(self, count))

    def reply_done(self) -> None:
        self.left -= 1
        if not self.left:
            self.connection.send(200, self.answer)


class Connection(asyncio.Protocol):
    """One connection: requests one after another (no pipelining, as clients of such servers do)."""

    def __init__(self, slots: Slots, answers: PlausibleAnswers) -> None:
        self.slots, self.answers = slots, answers
        self.received = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a TCP server's transport is one
        peer = transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].decode("latin-1")
            lines = head.split("\r\n")
            length = 0
            for line in lines[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
                elif name.lower() == "transfer-encoding":
                    self.send(411, b'{"error": {"message": "a body of known length is wanted"}}')
                    self.received = b""
                    return
                elif name.lower() == "expect" and self.transport is not None:
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if len(self.received) < end + 4 + length:
                return
            body = self.received[end + 4 : end + 4 + length]
            self.received = self.received[end + 4 + length :]
            method, path, *_ = lines[0].split(" ")
            self.handle(method, path, body)

    def send(self, status: int, body: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        reason = {200: "OK", 400: "Bad Request", 404: "Not Found", 411: "Length Required"}[status]
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    def handle(self, method: str, path: str, data: bytes) -> None:
        route = path.partition("?")[0]
        if method == "GET" and route in ("/health", "/v1/models", "/stats"):
            told: Any = {"/stats": self.slots.stats}.get(route, lambda: {"data": [{"id": MODEL, "object": "model"}]})()
            self.send(200, json.dumps(told).encode())
        elif method == "POST" and route == "/reset":
            self.slots.reset()
            self.send(200, b"{}")
        elif method == "POST" and route in ("/v1/completions", "/v1/chat/completions"):
            try:
                body = json.loads(data)
                answer, tokens = answered(route.endswith("chat/completions"), body, self.answers, self.slots.counts)
            except (ValueError, KeyError, TypeError) as problem:
                self.send(400, json.dumps({"error": {"message": f"{type(problem).__name__}: {problem}"}}).encode())
                return
            Request(self, answer, tokens, self.slots)
        else:
            self.send(404, b'{"error": {"message": "there is no such route"}}')


def answered(
    chat: bool, body: dict[str, Any], answers: PlausibleAnswers, counts: collections.Counter[str]
) -> tuple[bytes, list[int]]:
    """The whole answer to a request, and the tokens of each of its replies."""
    if chat:
        contents = (message["content"] for message in body["messages"])
        prompts = [
            "\n".join(
                text if isinstance(text, str) else "\n".join(part.get("text", "") for part in text) for text in contents
            )
        ]
    else:
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    most = body.get("max_tokens", body.get("max_completion_tokens"))
    choices: list[dict[str, Any]] = []
    written = []
    for text in prompts:
        for number in range(int(body.get("n") or 1)):
            if body.get("echo"):
                choices.append(_echo(text, len(choices)))
                written.append(1)
                continue
            said = answers.say(text, body, number)
            count = tokens_of(said.text) if not said.first else 1
            finished = "stop"
            if most is not None and count > int(most):
                said.text, count, finished = said.text[: 4 * int(most)], int(most), "length"
            choices.append(_choice(chat, said, count, finished, len(choices), body))
            written.append(count)
    usage = {"prompt_tokens": sum(map(tokens_of, prompts)), "completion_tokens": sum(written)}
    counts.update({"requests": 1, "replies": len(choices), **usage})
    whole = {
        "id": f"answer-{counts['requests']}",
        "object": "chat.completion" if chat else "text_completion",
        "created": 0,
        "model": body.get("model", MODEL),
        "choices": choices,
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }
    return json.dumps(whole).encode(), written


def _choice(chat: bool, said: Said, count: int, finished: str, index: int, body: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "finish_reason": finished, "logprobs": None}
    wanted = body.get("logprobs")
    if not chat:
        choice["text"] = said.text
        if wanted is not None and wanted is not False:
            choice["logprobs"] = {
                "token_logprobs": [-0.3] * count,
                "top_logprobs": [said.first] if said.first else None,
                "tokens": [],
                "text_offset": [],
            }
        return choice
    choice["message"] = {"role": "assistant", "content": said.text}
    if wanted:
        first = said.first or {said.text[:4]: math.log(0.9)}
        tops = [{"token": token, "logprob": value, "bytes": None} for token, value in first.items()]
        best = max(tops, key=lambda top: float(top["logprob"] or 0.0))
        choice["logprobs"] = {"content": [{**best, "top_logprobs": tops}]}
    return choice


def _echo(text: str, index: int) -> dict[str, Any]:
    tokens, offsets, values = echoed(text)
    found = {"tokens": tokens, "text_offset": offsets, "token_logprobs": values, "top_logprobs": None}
    return {"index": index, "text": text, "finish_reason": "length", "logprobs": found}


# -- for benchmarks


class Server:
    """The server as a process of its own, seen from a benchmark."""

    def __init__(self, port: int) -> None:
        self.place = f"http://127.0.0.1:{port}"
        self.url = f"{self.place}/v1"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.place}/stats", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def reset(self) -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{self.place}/reset", data=b"", method="POST"),
            timeout=30,
        ).close()


@contextlib.contextmanager
def running(
    *, slots: int, latency: float, token_seconds: float = 0.0, accepted: float = 0.85, taxonomy: Path | None = None
) -> Iterator[Server]:
    """The server for the length of the block.

    Raises:
        RuntimeError: it does not come up.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, str(Path(__file__)), "--port", str(port), "--slots", str(slots)]
    command += ["--latency", str(latency), "--token-seconds", str(token_seconds), "--accepted", str(accepted)]
    command += ["--taxonomy", str(taxonomy)] if taxonomy else []
    process = subprocess.Popen(command)
    server = Server(port)
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise RuntimeError(f"the benchmark's server ended with status {process.returncode}")
            try:
                server.stats()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError("the benchmark's server does not answer")
        yield server
    finally:
        process.terminate()
        process.wait()


def seeds_of(taxonomy: Path) -> list[tuple[str, str]]:
    """The question and answer of every seed of a taxonomy folder; leaves that cannot be read are left out."""
    from taxonomy_repo.leaf import read_leaf
    from workers.planning import seed_pairs

    found = []
    for file in sorted(taxonomy.rglob("qna.yaml")):
        leaf = read_leaf(file.read_bytes(), file.parent.relative_to(taxonomy).as_posix()).leaf
        found += [(pair.question, pair.answer) for pair in seed_pairs(leaf)] if leaf is not None else []
    return found


async def _serve(given: argparse.Namespace) -> None:
    slots = Slots(given.slots, given.latency, given.token_seconds)
    answers = PlausibleAnswers(seeds_of(given.taxonomy) if given.taxonomy else (), accepted=given.accepted)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(slots, answers), "127.0.0.1", given.port, backlog=2048)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    watching = asyncio.create_task(_end_with_parent(ended))
    await ended.wait()
    watching.cancel()
    server.close()


async def _end_with_parent(ended: asyncio.Event) -> None:
    """A benchmark that was killed leaves no server behind."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(1.0)
    ended.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slots", type=int, default=32, help="replies written at once")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that a reply takes")
    parser.add_argument("--token-seconds", type=float, default=0.0, help="seconds more for each token of a reply")
    parser.add_argument("--accepted", type=float, default=0.85, help="share of rows that judges find good")
    parser.add_argument("--taxonomy", type=Path, help="folder whose seeds the judges know")
    asyncio.run(_serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
