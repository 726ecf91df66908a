"""What the supervisor reads from its surroundings before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import supervisor
from deploy.supervisor import RunProblem, Supervisor
from workers.environment import EnvironmentProblem


@pytest.mark.parametrize("port", ["0", "65536", "99999", "8000.5", "http"])
def test_a_port_that_is_none_is_one_sentence(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDBED_PORT", port)
    with pytest.raises(EnvironmentProblem, match="SEEDBED_PORT is"):
        Supervisor()


def test_a_port_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDBED_PORT", "8011")
    assert Supervisor().port == 8011


def test_where_it_runs_already_it_refuses_before_anything_is_prepared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEEDBED_VAR", str(tmp_path / "var"))
    monkeypatch.setattr(Supervisor, "_check_port", lambda self: None)
    monkeypatch.setattr(Supervisor, "_check_disk", lambda self: None)
    Supervisor().check_free()
    running = Supervisor()
    running._claim()
    with pytest.raises(RunProblem, match="already runs"):
        Supervisor().check_free()
    running.stop()
    Supervisor().check_free()
    recipes = Path("Makefile").read_text(encoding="utf-8").split("\n\n")
    for target in ("run:", "demo:"):
        recipe = next(one for one in recipes if one.startswith(target)).splitlines()
        assert recipe[1] == "\t@$(FREE)", recipe


def test_as_many_processes_answer_pages_as_there_are_cores_or_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDBED_WEB_PROCESSES", raising=False)
    for cores, processes in ((1, 1), (2, 2), (16, 4)):
        monkeypatch.setattr(supervisor.os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert supervisor.read_web_processes() == processes
    monkeypatch.setenv("SEEDBED_WEB_PROCESSES", "12")
    assert supervisor.read_web_processes() == 12
    for wrong in ("0", "1.5", "many", "65"):
        monkeypatch.setenv("SEEDBED_WEB_PROCESSES", wrong)
        with pytest.raises(EnvironmentProblem, match="SEEDBED_WEB_PROCESSES"):
            supervisor.read_web_processes()
