"""From a teacher by name to a client that answers, and what is said when that cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.workers.fake_teacher import FakeTeacher
from workers.environment import shared_settings
from workers.specs import ModelReference, TeacherReference
from workers.teacher.client import TeacherProblem
from workers.teacher.connection import endpoint_key, open_teacher


def opened(reference: TeacherReference, folder: Path, environ: dict[str, str] | None = None) -> str:
    """The name of the profile of the teacher, once it has answered."""

    async def use() -> str:
        settings = shared_settings({"SEEDBED_VAR": str(folder)})
        async with open_teacher(
            reference, settings=settings, store=None, log=folder / "log", seed=1, environ=environ or {}
        ) as teacher:
            assert (await teacher.client.complete("Question:", max_tokens=4, temperature=0)).text
            return teacher.profile.name

    return asyncio.run(use())


def code_of(reference: TeacherReference, folder: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(TeacherProblem) as caught:
        opened(reference, folder, environ)
    return caught.value.problem.code


def endpoint(url: str | None, **changes: object) -> TeacherReference:
    return TeacherReference.model_validate(
        {"source": "endpoint", "url": url, "model": ModelReference(name="teacher")} | changes
    )


def test_an_endpoint_is_used_with_the_key_of_the_environment_or_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("right\n")
    with FakeTeacher(key="right") as server:
        reference = endpoint(server.url, key_variable="SEEDBED_TEACHER_KEY")
        assert opened(reference, tmp_path, {"SEEDBED_TEACHER_KEY": "right"}) == "generic-instruct"
        assert opened(reference, tmp_path, {"SEEDBED_TEACHER_KEY_FILE": str(tmp_path / "key")})
        assert code_of(reference, tmp_path, {"SEEDBED_TEACHER_KEY": "wrong"}) == "teacher_key"
        assert code_of(reference, tmp_path, {}) == "teacher_key"
        assert code_of(reference, tmp_path, {"SEEDBED_TEACHER_KEY_FILE": "/no/such/file"}) == "teacher_key"


def test_a_plan_cannot_send_other_secrets_of_the_worker_away() -> None:
    secrets = {"SEEDBED_SECRET_KEY": "x", "AWS_SECRET_ACCESS_KEY": "x", "HF_TOKEN": "x"}
    for variable in secrets:
        with pytest.raises(TeacherProblem) as caught:
            endpoint_key(variable, secrets)
        assert caught.value.problem.code == "teacher_key"
    assert endpoint_key("OPENAI_API_KEY", {"OPENAI_API_KEY": "mine"}) == "mine"
    assert endpoint_key(None, secrets) is None


def test_what_a_plan_may_get_wrong_has_a_code(tmp_path: Path) -> None:
    assert code_of(endpoint(None), tmp_path) == "teacher_url"
    assert code_of(endpoint("telnet://x"), tmp_path) == "teacher_url"
    assert code_of(endpoint("http://127.0.0.1:9"), tmp_path) == "teacher_unreachable"
    assert code_of(endpoint("http://127.0.0.1:9", profile="grand"), tmp_path) == "teacher_profile"
    missing = TeacherReference(model=ModelReference(name="/no/such/model"))
    assert code_of(missing, tmp_path) == "teacher_model"
    assert code_of(TeacherReference(), tmp_path) == "teacher_model"


def test_a_teacher_at_several_addresses_is_one(tmp_path: Path) -> None:
    with FakeTeacher(key="k") as first, FakeTeacher(key="k") as second:
        further = ({"url": second.url, "max_in_flight": 8},)
        reference = endpoint(first.url, key_variable="SEEDBED_TEACHER_KEY", further=further)
        assert reference.in_flight == 24
        assert opened(reference, tmp_path, {"SEEDBED_TEACHER_KEY": "k"})
        assert len(first.requests) + len(second.requests) == 1
