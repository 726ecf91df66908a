"""What an exception means to the administrator who reads about it: one sentence, one piece of advice."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from workers.artifacts import ArtifactProblem
from workers.specs import StageProblem
from workers.stages import StageFailure

INTERRUPTED = StageProblem(
    code="interrupted",
    message="The worker was shut down while it worked on this stage.",
    advice="The next attempt goes on from the parts that are finished.",
    retry=True,
)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, nearest first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # Rust libraries (safetensors, tokenizers) put the system's words into an exception of their own.
    return "No space left on device" in str(error)


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch.OutOfMemoryError by name: torch is not loaded here. The CPU's allocator raises a plain RuntimeError.
    return type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in str(error)


def problem_of(error: BaseException, *, log_name: str = "") -> StageProblem:
    """The problem to report for an exception that ended a stage.

    ``log_name`` is where in the stage's folder the log is kept, for faults that nobody foresaw.
    """
    causes = list(chain(error))
    for cause in causes:
        if isinstance(cause, StageFailure):
            return cause.problem
    for cause in causes:
        if _disk_full(cause):
            return StageProblem(
                code="disk_full",
                message="The worker's disk is full.",
                advice="Free some space (old rounds' artifacts are the largest), then retry: finished parts are kept.",
            )
        if _out_of_memory(cause):
            return StageProblem(
                code="out_of_memory",
                message="The worker ran out of memory.",
                advice="Choose a smaller model or recipe, or a larger machine, then retry.",
            )
    for cause in causes:
        # By name, because workers.models may load heavy libraries and need not be loaded to ask.
        if type(cause).__name__ == "ModelProblem":
            return StageProblem(code="model", message=str(cause), advice="Choose another model, or put it in place.")
        if isinstance(cause, ArtifactProblem):
            return StageProblem(
                code="artifact",
                message=str(cause),
                advice="Check that the web and all workers use the same SEEDBED_ARTIFACTS_URL, then retry.",
            )
    where = f"Its log is kept in the stage's folder as {log_name}." if log_name else "The worker's log says more."
    return StageProblem(
        code="unexpected",
        message=f"The stage stopped because of a fault that nobody foresaw ({type(error).__name__}).",
        advice=f"{where} Retry once; if it happens again, report it with the log.",
    )
