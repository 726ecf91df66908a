"""What the supervisor reads from its surroundings before it starts anything."""

from __future__ import annotations

import pytest

from deploy.supervisor import Supervisor
from workers.environment import EnvironmentProblem


@pytest.mark.parametrize("port", ["0", "65536", "99999", "8000.5", "http"])
def test_a_port_that_is_none_is_one_sentence(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDBED_PORT", port)
    with pytest.raises(EnvironmentProblem, match="SEEDBED_PORT is"):
        Supervisor()


def test_a_port_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDBED_PORT", "8011")
    assert Supervisor().port == 8011
