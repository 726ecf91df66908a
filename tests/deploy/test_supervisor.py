"""What the supervisor reads from its surroundings before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

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
