"""Exceptions in an administrator's words."""

from __future__ import annotations

import errno

import pytest

from workers.artifacts import ArtifactProblem
from workers.models import ModelProblem
from workers.problems import problem_of
from workers.specs import StageProblem
from workers.stages import StageFailure


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (caused(RuntimeError("while saving"), OSError(errno.EDQUOT, "Quota")), "disk_full"),
        (RuntimeError("SafetensorError: I/O error: No space left on device (os error 28)"), "disk_full"),
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (ModelProblem("/x is no model."), "model"),
        (ArtifactProblem("Artifact a1 is not finished."), "artifact"),
        (ValueError("surprise"), "unexpected"),
        (FileNotFoundError(errno.ENOENT, "no such file"), "unexpected"),
    ],
)
def test_each_known_cause_has_its_code_and_one_sentence(error: Exception, code: str) -> None:
    problem = problem_of(error, log_name="logs/attempt-1.log")
    assert problem.code == code
    assert problem.message.endswith(".")
    assert problem.advice
    assert not problem.retry


def test_a_stage_speaks_for_itself() -> None:
    own = StageProblem(code="teacher", message="The teacher does not answer.", retry=True)
    assert problem_of(StageFailure(own)) == own


def test_what_nobody_foresaw_names_its_log_and_no_details() -> None:
    problem = problem_of(ValueError("a secret path /home/someone/x"), log_name="logs/attempt-3.log")
    assert "ValueError" in problem.message
    assert "secret" not in problem.message + problem.advice
    assert "logs/attempt-3.log" in problem.advice
