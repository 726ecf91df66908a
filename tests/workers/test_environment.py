"""Settings: strict, or one sentence that names the variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.environment import (
    LONGEST_SOCKET_PATH,
    EnvironmentProblem,
    read_flag,
    read_number,
    read_text,
    shared_settings,
    socket_path,
)


def test_a_value_may_lie_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(" value \n", encoding="utf-8")
    assert read_text("SEEDBED_X", environ={"SEEDBED_X_FILE": str(secret)}) == "value"


def test_a_value_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="not both"):
        read_text("SEEDBED_X", environ={"SEEDBED_X": "a", "SEEDBED_X_FILE": str(tmp_path)})


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match="SEEDBED_X_FILE names /nowhere/at/all"):
        read_text("SEEDBED_X", environ={"SEEDBED_X_FILE": "/nowhere/at/all"})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_a_flag_is_true_or_false_and_nothing_else(text: str) -> None:
    environ = {"SEEDBED_X": text}
    if text in ("true", "false"):
        assert read_flag("SEEDBED_X", False, environ=environ) is (text == "true")
    else:
        with pytest.raises(EnvironmentProblem, match="write true or false"):
            read_flag("SEEDBED_X", False, environ=environ)


@pytest.mark.parametrize("text", ["abc", "", "nan", "inf", "-1", "1,5"])
def test_a_number_is_finite_and_large_enough(text: str) -> None:
    with pytest.raises(EnvironmentProblem, match="SEEDBED_X"):
        read_number("SEEDBED_X", 1.0, environ={"SEEDBED_X": text})


def test_the_defaults_lie_in_var(tmp_path: Path) -> None:
    settings = shared_settings({"SEEDBED_VAR": str(tmp_path)})
    assert settings.artifacts_url == f"file://{tmp_path}/artifacts"
    assert settings.models == tmp_path / "models"
    assert settings.redis_url == f"redis+socket://{tmp_path}/run/redis.sock"
    assert settings.lost_after_seconds >= 3 * settings.heartbeat_seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEEDBED_REDIS_URL", "localhost:6379"),
        ("SEEDBED_REDIS_URL", "amqp://localhost"),
        ("SEEDBED_ARTIFACTS_URL", "/srv/artifacts"),
        ("SEEDBED_HEARTBEAT_SECONDS", "0"),
        ("SEEDBED_LOST_AFTER_SECONDS", "20"),
    ],
)
def test_a_setting_that_is_not_understood_stops_the_program(name: str, value: str) -> None:
    with pytest.raises(EnvironmentProblem, match="SEEDBED_"):
        shared_settings({name: value})


@given(st.integers(min_value=1, max_value=300))
def test_the_socket_always_fits_into_its_address(depth: int) -> None:
    var = Path("/tmp") / ("d" * min(depth, 100)) / ("e" * max(depth - 100, 1))
    found = socket_path(var)
    assert len(os.fsencode(found)) <= LONGEST_SOCKET_PATH
    assert found == socket_path(var)
