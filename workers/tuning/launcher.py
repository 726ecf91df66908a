"""Starts the training program as a process of its own, follows its metrics, and says in one sentence why it failed.

A process of its own, because only its end surely gives the memory back; it dies with the worker
(``workers.processes``). With one process the program is run plainly; with several GPUs, or where the operator names an
accelerate configuration (``SEEDBED_ACCELERATE_CONFIG``, for FSDP or several machines), through ``accelerate launch``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from workers.environment import PROJECT, EnvironmentProblem, read_text
from workers.processes import Child, start_child
from workers.specs import StageProblem
from workers.stages import StageCancelled, StageFailure
from workers.tuning.metrics import MetricsFollower, Record
from workers.tuning.program import Outcome, TrainingSpec

POLL_SECONDS = 0.5
# After SIGTERM the program finishes the row it is at and saves: seconds on a CPU, longer for a sharded large model.
GRACE_SECONDS = 20.0
# Below this much room a write has most likely failed for lack of it.
DISK_FULL_BYTES = 64 * 1024 * 1024
MODULE = "workers.tuning.train"


def training_command(
    spec_file: Path, *, gpus: int, config: Path | None, threads: int, python: str = sys.executable
) -> list[str]:
    """The command line that runs the program on this machine."""
    if config is None and gpus <= 1:
        # accelerate launch would only import torch once more, and hide the exit code behind its own.
        return [python, "-m", MODULE, str(spec_file)]
    launch = [python, "-m", "accelerate.commands.launch", "--num_cpu_threads_per_process", str(threads)]
    if config is not None:
        launch += ["--config_file", str(config)]
    else:
        launch += ["--multi_gpu", "--num_processes", str(gpus), "--num_machines", "1", "--mixed_precision", "no"]
        launch += ["--dynamo_backend", "no"]
    return [*launch, "-m", MODULE, str(spec_file)]


def training_environment(environ: Mapping[str, str], *, threads: int) -> dict[str, str]:
    """The program's environment.

    The two malloc thresholds: every step frees and asks again for blocks of many megabytes. With glibc's defaults each
    is mapped from the kernel and given back, so all pages are faulted in and zeroed anew every time; kept in the heap,
    they are reused. That alone made training 1.7 times as fast on the CPU (bench/tuning_speed.py gives all sides it
    compares the same environment).

    GOMP_SPINCOUNT: a thread that waits for another at the end of a product spins only for a moment and then sleeps. On
    a machine that has other work as well (web, Redis, a teacher) threads that spin long, as by default, hold the very
    core the other one waits for: beside three busy programs on two cores a step of 4 s did not end within 45 s. Never
    spinning (OMP_WAIT_POLICY=PASSIVE) cost 15 % of the speed on a quiet machine; this costs none.
    """
    return {
        "GOMP_SPINCOUNT": "2000",
        "MALLOC_MMAP_THRESHOLD_": str(4 * 1024**3),
        "MALLOC_TRIM_THRESHOLD_": str(8 * 1024**3),
        **environ,
        "OMP_NUM_THREADS": environ.get("OMP_NUM_THREADS", str(threads)),
        "TOKENIZERS_PARALLELISM": "true",
        # The student is a folder; nothing is to be asked of a hub while tuning.
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), environ.get("PYTHONPATH", "")])),
    }


def gpu_count(environ: Mapping[str, str]) -> int:
    """CUDA devices that the program would see, without loading torch into the worker."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        answer = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())


def accelerate_config(environ: Mapping[str, str]) -> Path | None:
    """The operator's accelerate configuration.

    Raises:
        EnvironmentProblem: it is named but not there.
    """
    name = read_text("SEEDBED_ACCELERATE_CONFIG", environ=environ)
    if name is None:
        return None
    if not Path(name).is_file():
        raise EnvironmentProblem(f"SEEDBED_ACCELERATE_CONFIG names {name}, which is not there.")
    return Path(name)


def launch(
    spec: TrainingSpec,
    *,
    follow: Callable[[list[Record]], None],
    cancelled: Callable[[], bool],
    environ: Mapping[str, str] = os.environ,
    poll_seconds: float = POLL_SECONDS,
) -> Outcome:
    """Run the program to its end; ``follow`` is given its new metrics records about twice a second.

    Raises:
        StageCancelled: ``cancelled()`` became true, or the program was asked to stop from outside. It has saved,
            unless it was too busy to within the grace it is given.
        StageFailure: it failed; the problem is the program's own where it could still say, else read from its end.
    """
    spec.work.mkdir(parents=True, exist_ok=True)
    spec_file = spec.work / "spec.json"
    spec_file.write_text(spec.model_dump_json(indent=1), encoding="utf-8")
    spec.outcome.unlink(missing_ok=True)
    gpus = gpu_count(environ)
    threads = max(1, len(os.sched_getaffinity(0)) // max(1, gpus))
    command = training_command(spec_file, gpus=gpus, config=accelerate_config(environ), threads=threads)
    follower = MetricsFollower(spec.metrics, spec.run_id)
    with start_child(
        command,
        log=spec.work / "train.log",
        environ=training_environment(environ, threads=threads),
        grace=GRACE_SECONDS,
    ) as child:
        while child.wait(poll_seconds) is None:
            _pass_on(follower, follow)
            if cancelled():
                child.stop()
                raise StageCancelled
        _pass_on(follower, follow)
        return _ending(spec, child)


def _pass_on(follower: MetricsFollower, follow: Callable[[list[Record]], None]) -> None:
    if records := follower.new_records():
        follow(records)


def _ending(spec: TrainingSpec, child: Child) -> Outcome:
    outcome = _read_outcome(spec)
    if outcome is not None and outcome.outcome == "done":
        return outcome
    if outcome is not None and outcome.outcome == "stopped":
        raise StageCancelled
    if outcome is not None and outcome.problem is not None:
        raise StageFailure(outcome.problem)
    raise StageFailure(_unspoken_problem(spec, child))


def _read_outcome(spec: TrainingSpec) -> Outcome | None:
    try:
        outcome = Outcome.model_validate_json(spec.outcome.read_bytes())
    except (OSError, ValidationError):
        return None
    return outcome if outcome.run_id == spec.run_id else None


def _unspoken_problem(spec: TrainingSpec, child: Child) -> StageProblem:
    """Why the program ended without a last word, as far as its end shows."""
    if shutil.disk_usage(spec.work).free < DISK_FULL_BYTES:
        return StageProblem(
            code="disk_full",
            message="The disk was full, so the training program could not save.",
            advice="Free some space and retry: tuning goes on from its last checkpoint.",
        )
    if child.returncode == 137:
        # SIGKILL from outside: nothing but the kernel's out-of-memory killer does that to a program of ours.
        return StageProblem(
            code="out_of_memory",
            message="The training program was killed, most likely because the machine ran out of memory.",
            advice="Choose a smaller student or a recipe with shorter rows, or a larger machine, then retry.",
            retry=True,
        )
    last = next((line.strip() for line in reversed(child.tail(40).splitlines()) if line.strip()), "it said nothing")
    return StageProblem(
        code="training_failed",
        message=f"The training program ended with code {child.returncode}: {last[:300]}",
        advice="Retry once; if it happens again, report it with the log.",
    )


def seconds_left(done_tokens: int, total_tokens: int, recent: list[tuple[float, int]]) -> float | None:
    """Seconds to the end at the speed of the ``recent`` steps, given as (seconds, tokens) each."""
    seconds, tokens = sum(pair[0] for pair in recent), sum(pair[1] for pair in recent)
    return (total_tokens - done_tokens) * seconds / tokens if tokens else None


def new_run_id() -> str:
    """A mark for one start of the program."""
    return f"{time.time_ns():x}-{os.getpid()}"
