"""One asynchronous client for any OpenAI-compatible server: bounded in flight, patient, and clear when it fails.

It speaks HTTP by aiohttp directly: pools of other clients slow down with the number of connections. A request is
tried again after a broken connection, a time-out or an answer that means "later" (408, 425, 429, 5xx); when, is decided
for all requests together (``workers.teacher.pace``).
"""

from __future__ import annotations

import asyncio
import collections
import email.utils
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from workers.specs import StageProblem
from workers.teacher.pace import Pace

LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# A server that asks for more patience than this is not going to serve this round.
LONGEST_RETRY_AFTER_SECONDS = 300.0


class TeacherProblem(Exception):
    """The teacher cannot be used; ``problem`` is what the administrator reads."""

    def __init__(self, problem: StageProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class RequestRefused(Exception):
    """The server will not answer this one request (HTTP 400, 413, 422): too long a prompt, an unknown option."""


@dataclass(frozen=True)
class Endpoint:
    """Where a teacher answers. ``url`` ends before ``/completions``; ``key`` is never logged."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    # Whether the server takes vLLM's own option ``structured_outputs``.
    vllm: bool = False


def endpoint_url(text: str) -> str:
    """The base of the API's routes for a URL as people write it: ``http://host:8000``, with or without ``/v1``.

    Raises:
        TeacherProblem: it is not an http or https URL.
    """
    try:
        parts = urlsplit(text.strip())
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        fine = fine and parts.port != 0
    except ValueError:  # half an IPv6 address, a port that is no number
        fine = False
    if not fine:
        raise TeacherProblem(
            StageProblem(
                code="teacher_url",
                message="The teacher's address is not a web address.",
                advice="Write it as https://host:port/v1, with the key in the worker's environment.",
            )
        )
    path = parts.path.rstrip("/")
    for ending in ("/chat/completions", "/completions"):
        path = path.removesuffix(ending)
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


@dataclass(frozen=True)
class Reply:
    """What came back. ``logprobs`` are natural logarithms, one a generated token, where they were asked for.

    ``first`` maps the texts of the likeliest first tokens to their log-probabilities.
    """

    text: str
    finished: bool
    logprobs: tuple[float, ...] = ()
    first: dict[str, float] = field(default_factory=dict)


@dataclass
class Usage:
    """What was asked in all. ``mean_in_flight`` is over the time between the first request and the last answer."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_flight: int = 0
    _area: float = 0.0
    _since: float = 0.0
    _begun: float | None = None

    def change(self, by: int, now: float) -> None:
        if self._begun is None:
            self._begun = now
        else:
            self._area += self.in_flight * (now - self._since)
        self._since = now
        self.in_flight += by

    @property
    def mean_in_flight(self) -> float:
        elapsed = self._since - (self._begun or 0.0)
        return self._area / elapsed if elapsed > 0 else 0.0


class Slots:
    """So many at once, the others in the order of arrival.

    As ``asyncio.Semaphore``, which looks through all that wait whenever one may go: of a thousand that is most of the
    time that a request takes here.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    async def __aenter__(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_on()  # its turn had come in the same moment
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_on()

    def _give_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class TeacherClient:
    """Asks one endpoint. Use as an asynchronous context manager.

    Args:
        max_in_flight: requests open at the same time, at most.
        attempts: how often one request is tried before the teacher counts as gone. To be told to come later
            (429) is no such try.
        recovered: asked after a broken connection; it waits until the server is back (a server of one's own that is
            being started again) or raises TeacherProblem.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        max_in_flight: int,
        attempts: int = 6,
        read_timeout: float = 900.0,
        backoff: float = 0.5,
        recovered: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.usage = Usage()
        self.attempts = attempts
        # The longest text that the server takes, where it says so (vLLM does, in its list of models).
        self.context_tokens: int | None = None
        self.max_in_flight = max_in_flight
        self.pace = Pace(attempts=attempts, backoff=backoff)
        self._slots = Slots(max_in_flight)
        self._read_timeout = read_timeout
        self._recovered = recovered
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> TeacherClient:
        headers = {"Authorization": f"Bearer {self.endpoint.key}"} if self.endpoint.key else {}
        self._session = aiohttp.ClientSession(
            # The slots above bound what is open; the pool need not.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=self._read_timeout),
            headers=headers,
            trust_env=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    # -- questions

    async def complete(
        self,
        prompt: str,
        *,
        max_tokens: int,
        temperature: float,
        stop: Sequence[str] = (),
        seed: int | None = None,
        logprobs: int | None = None,
        top_p: float = 1.0,
    ) -> Reply:
        """Go on with ``prompt``. ``logprobs``: how many likeliest tokens to report for each position (0: only the
        generated one's probability; None: no probabilities)."""
        body: dict[str, Any] = {"prompt": prompt, "max_tokens": max_tokens, "temperature": temperature}
        if top_p != 1.0:
            body["top_p"] = top_p
        if stop:
            body["stop"] = list(stop)
        if seed is not None:
            body["seed"] = seed
        if logprobs is not None:
            body["logprobs"] = logprobs
        choice = _first_choice(await self._post("/completions", body))
        found = choice.get("logprobs") or {}
        tops = found.get("top_logprobs") or []
        return Reply(
            text=_cut(str(choice.get("text") or ""), stop),
            finished=choice.get("finish_reason") != "length",
            logprobs=tuple(float(value) for value in found.get("token_logprobs") or () if value is not None),
            first={str(token): float(value) for token, value in (tops[0] or {}).items()} if tops else {},
        )

    async def chat(
        self,
        messages: Sequence[tuple[str, str]],
        *,
        max_tokens: int,
        temperature: float,
        seed: int | None = None,
        schema: dict[str, Any] | None = None,
        choices: Sequence[str] = (),
    ) -> Reply:
        """Answer a conversation of (role, text). ``schema`` holds the answer to JSON; ``choices`` asks for one of
        these texts, with the probabilities of the first token."""
        body: dict[str, Any] = {
            "messages": [{"role": role, "content": text} for role, text in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
        }
        if seed is not None:
            body["seed"] = seed
        if schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        if choices:
            body |= {"logprobs": True, "top_logprobs": 20, "max_tokens": max(1, min(4, max_tokens))}
            if self.endpoint.vllm:
                body["structured_outputs"] = {"choice": list(choices)}
        choice = _first_choice(await self._post("/chat/completions", body))
        content = (choice.get("logprobs") or {}).get("content") or []
        first = (
            {str(top["token"]): float(top["logprob"]) for top in content[0].get("top_logprobs", [])} if content else {}
        )
        return Reply(
            text=str((choice.get("message") or {}).get("content") or ""),
            finished=choice.get("finish_reason") != "length",
            logprobs=tuple(float(token["logprob"]) for token in content),
            first=first,
        )

    async def text_logprobs(self, text: str, start: int) -> tuple[float, ...]:
        """Natural-log probabilities of the tokens of ``text`` that begin at character ``start`` or later.

        Empty where the server does not give them (``echo`` with ``logprobs`` of the completions route).
        """
        body = {"prompt": text, "max_tokens": 0 if self.endpoint.vllm else 1, "echo": True, "logprobs": 0}
        choice = _first_choice(await self._post("/completions", body))
        found = choice.get("logprobs") or {}
        offsets, values = found.get("text_offset") or [], found.get("token_logprobs") or []
        return tuple(
            float(value)
            for offset, value in zip(offsets, values, strict=False)
            if start <= offset < len(text) and value is not None
        )

    async def check(self) -> None:
        """See that the server is there, takes the key and serves the model, within a few seconds.

        Raises:
            TeacherProblem: one sentence for each of the three.
        """
        try:
            async with self._open.get(
                f"{self.endpoint.url}/models", timeout=aiohttp.ClientTimeout(total=20), allow_redirects=False
            ) as answer:
                if answer.status in (401, 403):
                    raise self._wrong_key()
                if answer.status != 200:
                    return  # not every server lists its models; the first request will tell
                listed = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        except ValueError:
            return
        found = listed.get("data") if isinstance(listed, dict) else None
        names = [str(model.get("id")) for model in found if isinstance(model, dict)] if isinstance(found, list) else []
        if names and self.endpoint.model not in names:
            raise self._unknown_model(names)
        for model in found if isinstance(found, list) else ():
            if isinstance(model, dict) and model.get("id") == self.endpoint.model:
                longest = model.get("max_model_len")
                self.context_tokens = longest if isinstance(longest, int) and longest > 0 else None

    # -- inside

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("A TeacherClient is used inside `async with`.")
        return self._session

    async def _post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        body["model"] = self.endpoint.model
        async with self._slots:
            self.usage.change(+1, time.monotonic())
            try:
                answer = await self._tried(route, body)
            finally:
                self.usage.change(-1, time.monotonic())
        # Who waits for this slot sends first: what is done with the answer can wait, the server cannot.
        await asyncio.sleep(0)
        self.usage.requests += 1
        counts = answer.get("usage") or {}
        self.usage.prompt_tokens += int(counts.get("prompt_tokens") or 0)
        self.usage.completion_tokens += int(counts.get("completion_tokens") or 0)
        return answer

    async def _tried(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        trouble: Exception | str = ""
        attempt = limited = 0
        while attempt < self.attempts and not self.pace.gone():
            async with self.pace.turn() as alone:
                if self.pace.gone():
                    break
                try:
                    async with self._open.post(self.endpoint.url + route, json=body, allow_redirects=False) as answer:
                        if answer.status == 200:
                            found = _checked_answer(await answer.json(content_type=None))
                            self.pace.answered()
                            return found
                        text = await answer.text(errors="replace")
                        if answer.status not in LATER:
                            self.pace.answered()
                            raise self._refused(answer.status, text)
                        trouble = f"it answers {answer.status}"
                        wait = _retry_after(answer.headers.get("Retry-After"))
                        if answer.status == 429 or wait is not None:
                            self.pace.limited(wait, limited)
                        else:
                            self.pace.failed(alone=alone)
                        # "Too many requests" says that the server is well; anything else is a try that failed.
                        attempt += answer.status != 429
                        limited += answer.status == 429
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                    trouble = error
                    attempt += 1
                    self.pace.failed(alone=alone)
            self.usage.retries += 1
            if isinstance(trouble, Exception) and self._recovered is not None:
                await self._recovered()
            if attempt < self.attempts:
                await self.pace.apart(max(attempt - 1, 0))
        raise self._unreachable(trouble)

    def _refused(self, status: int, text: str) -> Exception:
        message = _error_text(text)
        if status in (401, 403):
            return self._wrong_key()
        if status == 404 and "model" in message.lower():
            return self._unknown_model([])
        if status in (400, 413, 422):
            return RequestRefused(message)
        return TeacherProblem(
            StageProblem(
                code="teacher_answer",
                message=f"The teacher at {self._place} answers {status}, which is not what such a server says.",
                advice="Check that the address is that of an OpenAI-compatible server.",
            )
        )

    @property
    def _place(self) -> str:
        return urlsplit(self.endpoint.url).netloc

    def _unreachable(self, trouble: Exception | str) -> TeacherProblem:
        reason = trouble if isinstance(trouble, str) else _reason(trouble)
        return TeacherProblem(
            StageProblem(
                code="teacher_unreachable",
                message=f"The teacher at {self._place} cannot be reached: {reason}.",
                advice="Check its address and that it is running, then try again; what is done is kept.",
                retry=True,
            )
        )

    def _wrong_key(self) -> TeacherProblem:
        return TeacherProblem(
            StageProblem(
                code="teacher_key",
                message=f"The teacher at {self._place} refuses the key.",
                advice="Set the right key in the worker's environment variable that the plan names.",
            )
        )

    def _unknown_model(self, names: Sequence[str]) -> TeacherProblem:
        served = f" It serves {', '.join(names[:5])}." if names else ""
        return TeacherProblem(
            StageProblem(
                code="teacher_model",
                message=f"The teacher at {self._place} does not serve a model called {self.endpoint.model}.",
                advice=f"Choose a model that it serves.{served}",
            )
        )


def _first_choice(answer: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = answer["choices"][0]
    return choice


def _checked_answer(answer: Any) -> dict[str, Any]:
    """A reply of the agreed form; anything else counts as a broken one and is asked for again."""
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list) or not answer["choices"]:
        raise ValueError("an answer without choices")
    return answer


def _cut(text: str, stop: Sequence[str]) -> str:
    """Some servers leave the text that stopped them in the answer."""
    ends = [place for place in (text.find(mark) for mark in stop) if place >= 0]
    return text[: min(ends)] if ends else text


def _retry_after(value: str | None) -> float | None:
    """Seconds from a ``Retry-After`` header, a number or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _error_text(text: str) -> str:
    try:
        found = json.loads(text)
        found = found.get("error", found)
        return str(found.get("message", found) if isinstance(found, dict) else found)[:500]
    except (ValueError, AttributeError):
        return text[:500]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "there is no machine of that name"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "nothing listens there"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    return (str(error) or type(error).__name__).split("\n")[0][:200]
