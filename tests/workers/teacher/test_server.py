"""A server of one's own: its command line, its start, its crash, its end; by a small stand-in and by the real ones."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from workers.environment import PROJECT, shared_settings
from workers.models import SMOLLM2
from workers.specs import ModelReference, TeacherReference
from workers.teacher.client import Endpoint, TeacherClient, TeacherProblem
from workers.teacher.connection import open_teacher
from workers.teacher.server import (
    MOST_RESTARTS,
    Program,
    TeacherServer,
    bfloat16_is_fast,
    check_arguments,
    free_port,
    installed_source,
    phase,
    transformers_program,
    vllm_program,
)

MODEL = shared_settings().models / SMOLLM2.folder
needs_model = pytest.mark.skipif(
    not MODEL.exists(), reason="the bundled model is not here: python -m workers.models fetch"
)
needs_vllm = pytest.mark.skipif(installed_source() != "vllm", reason="vLLM is not installed")


def stand_in(folder: Path, *, command: list[str] | None = None, port: int | None = None) -> TeacherServer:
    """A server that is the fake teacher as a program of its own."""
    port = port or free_port()
    usual = [sys.executable, "-m", "tests.workers.fake_teacher", str(port), str(folder / "record"), "0"]
    base = f"http://127.0.0.1:{port}"
    program = Program(
        command or usual,
        {**os.environ, "PYTHONPATH": str(PROJECT)},
        Endpoint(f"{base}/v1", "teacher"),
        f"{base}/health",
    )
    return TeacherServer(program, folder / "log")


def family(server: TeacherServer) -> list[psutil.Process]:
    assert server._child is not None
    guardian = psutil.Process(server._child.pid)
    return [guardian, *guardian.children(recursive=True)]


def test_it_answers_when_it_has_started_and_nothing_is_left_when_it_has_stopped(tmp_path: Path) -> None:
    server = stand_in(tmp_path)

    async def use() -> list[psutil.Process]:
        await server.start()
        processes = family(server)
        async with TeacherClient(server.endpoint, max_in_flight=1) as client:
            assert (await client.complete("Question:", max_tokens=4, temperature=0)).text
        await server.stop()
        return processes

    processes = asyncio.run(use())
    assert len(processes) >= 2
    assert not any(process.is_running() for process in processes)


def test_a_server_that_crashes_is_started_again_and_the_request_is_answered(tmp_path: Path) -> None:
    server = stand_in(tmp_path)

    async def use() -> None:
        await server.start()
        async with TeacherClient(server.endpoint, max_in_flight=4, backoff=0.01, recovered=server.recovered) as client:
            family(server)[-1].send_signal(signal.SIGKILL)
            asked = [client.complete(f"{n} Question:", max_tokens=4, temperature=0) for n in range(4)]
            assert all(reply.text for reply in await asyncio.gather(*asked))
        await server.stop()

    asyncio.run(use())
    assert server.restarts == 1


def test_a_server_that_keeps_crashing_is_given_up(tmp_path: Path) -> None:
    server = stand_in(tmp_path)

    async def use() -> None:
        await server.start()
        for _ in range(MOST_RESTARTS + 1):
            child = server._child
            assert child is not None
            family(server)[-1].send_signal(signal.SIGKILL)
            await asyncio.to_thread(child.wait, 10)
            await server.recovered()

    with pytest.raises(TeacherProblem) as caught:
        asyncio.run(use())
    # Killed from outside is what the kernel does to a process that takes too much memory.
    assert caught.value.problem.code == "teacher_memory"
    asyncio.run(server.stop())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ValueError: model type xyz is not supported", "teacher_crash"),
        ("torch.OutOfMemoryError: CUDA out of memory.", "teacher_memory"),
        ("OSError: [Errno 28] No space left on device", "disk_full"),
        ("OSError: [Errno 98] address already in use", "teacher_start"),
    ],
)
def test_a_server_that_does_not_start_says_why_in_one_sentence(tmp_path: Path, said: str, code: str) -> None:
    server = stand_in(tmp_path, command=[sys.executable, "-c", f"import sys; sys.exit({said!r})"])
    with pytest.raises(TeacherProblem) as caught:
        asyncio.run(server.start())
    assert caught.value.problem.code == code
    if code == "teacher_crash":
        assert "xyz is not supported" in caught.value.problem.message


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    server = stand_in(tmp_path, command=[sys.executable, "-c", "import time; time.sleep(60)"])
    server.start_seconds = 1.0
    told: list[str] = []
    server.report = told.append
    with pytest.raises(TeacherProblem) as caught:
        asyncio.run(server.start())
    assert caught.value.problem.code == "teacher_start"
    assert told
    asyncio.run(server.stop(0.1))


def test_the_key_is_in_the_environment_and_not_on_the_command_line(tmp_path: Path) -> None:
    program = vllm_program(
        tmp_path, TeacherReference(), port=1234, key="very-secret", seed=9, on_cpu=True, environ={"PATH": "/bin"}
    )
    assert "very-secret" not in " ".join(program.command)
    assert program.environ["VLLM_API_KEY"] == "very-secret"
    assert "very-secret" not in repr(program.endpoint)
    assert program.environ["HF_HUB_OFFLINE"] == "1"
    assert program.command[program.command.index("--seed") + 1] == "9"
    assert program.command[program.command.index("--host") + 1] == "127.0.0.1"
    assert "--trust-remote-code" not in program.command


def test_the_cpu_and_the_cuda_build_differ_in_their_arguments_only(tmp_path: Path) -> None:
    reference = TeacherReference(tensor_parallel=2, data_parallel=4, max_model_length=2048, max_in_flight=12)
    cuda = vllm_program(tmp_path, reference, port=1, key="k", seed=0, on_cpu=False, environ={})
    cpu = vllm_program(tmp_path, reference, port=1, key="k", seed=0, on_cpu=True, environ={})
    assert "--enforce-eager" not in cuda.command
    assert "--enforce-eager" in cpu.command
    assert cuda.command[cuda.command.index("--tensor-parallel-size") + 1] == "2"
    assert cuda.command[cuda.command.index("--data-parallel-size") + 1] == "4"
    assert cpu.command[cpu.command.index("--max-num-seqs") + 1] == "12"
    assert "VLLM_CPU_KVCACHE_SPACE" not in cuda.environ
    assert cpu.environ["VLLM_CPU_KVCACHE_SPACE"] == "2"
    own = vllm_program(
        tmp_path, reference, port=1, key="k", seed=0, on_cpu=True, environ={"VLLM_CPU_KVCACHE_SPACE": "40"}
    )
    assert own.environ["VLLM_CPU_KVCACHE_SPACE"] == "40"


def test_only_arguments_that_cannot_load_code_may_be_added() -> None:
    check_arguments(("--gpu-memory-utilization", "0.8", "--kv-cache-dtype=fp8"))
    for argument in ("--trust-remote-code", "--middleware=evil.module", "--host", "--chat-template", "-h"):
        with pytest.raises(TeacherProblem) as caught:
            check_arguments((argument,))
        assert caught.value.problem.code == "teacher_arguments"


def test_bfloat16_is_used_where_the_processor_has_it() -> None:
    assert bfloat16_is_fast("flags : avx512f avx512_bf16 sse")
    assert bfloat16_is_fast("flags : amx_bf16")
    assert not bfloat16_is_fast("flags : avx2 sse4_2")


def test_the_log_says_what_a_starting_server_is_at() -> None:
    assert phase("Initializing a V1 LLM engine (v0.32.0)") == "starting the engine"
    assert phase("x\nStarting to load model /m\ny") == "loading the weights"
    assert phase("") == "loading its program"


@pytest.mark.model
@needs_model
def test_the_server_of_transformers_answers_a_continuation(tmp_path: Path) -> None:
    program = transformers_program(MODEL, port=free_port(), environ=os.environ)
    server = TeacherServer(program, tmp_path / "log")

    async def use() -> str:
        await server.start()
        try:
            async with TeacherClient(server.endpoint, max_in_flight=2, attempts=1) as client:
                prompt = "Capital of Italy: Rome\nCapital of Spain: Madrid\nCapital of France:"
                return (await client.complete(prompt, max_tokens=8, temperature=0.0, stop=["\n"])).text
        finally:
            await server.stop()

    assert "Paris" in asyncio.run(use())


@pytest.mark.vllm
@needs_model
@needs_vllm
@pytest.mark.timeout(600)
def test_vllm_starts_answers_gives_probabilities_survives_a_crash_and_leaves_nothing(tmp_path: Path) -> None:
    settings = shared_settings()
    reference = TeacherReference(source="vllm", model=ModelReference(name=str(MODEL)), max_in_flight=4)
    told: list[str] = []

    async def use() -> list[psutil.Process]:
        async with open_teacher(
            reference, settings=settings, store=None, log=tmp_path / "log", seed=1, report=told.append
        ) as teacher:
            text = "The capital of France is Paris."
            values = await teacher.client.text_logprobs(text, len("The capital of France is"))
            # " Paris" and "."; a likely word and an unlikely one.
            assert len(values) == 2
            wrong = await teacher.client.text_logprobs(
                "The capital of France is Oslo.", len("The capital of France is")
            )
            assert values[0] > wrong[0] + 1
            reply = await teacher.client.complete("The capital of France is", max_tokens=3, temperature=0, logprobs=0)
            assert "Paris" in reply.text
            assert reply.logprobs
            chosen = await teacher.client.chat(
                (("user", "Is Paris in France?"),), max_tokens=1, temperature=0, choices=("1", "2")
            )
            assert chosen.first
            ours = [p for p in psutil.Process().children(recursive=True) if p.is_running()]
            # The engine is what dies of bad luck; the next request must be answered all the same.
            engine = [p for p in ours if "api_server" in " ".join(p.cmdline())][-1]
            engine.kill()
            assert (await teacher.client.complete("The sky is", max_tokens=3, temperature=0)).text
            return [*ours, *psutil.Process().children(recursive=True)]

    processes = asyncio.run(use())
    assert any("is started again" in text for text in told)
    deadline = time.monotonic() + 10
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)
