"""What a teacher can do, seen before anything is generated; a mismatch with its profile is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.workers.fake_teacher import Behaviour, FakeTeacher
from tests.workers.generation.leaves import all_leaves, recipe
from workers.artifacts import Artifact, ArtifactStore
from workers.environment import shared_settings
from workers.generation.run import Order, generate
from workers.specs import ModelReference, TeacherReference
from workers.stages import StageFailure


def refuse(said: str, *, only: str) -> Behaviour:
    """Refuses what goes to a route, or holds a key in its body."""

    def behaviour(request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if only in request.path or only in body:
            return web.json_response({"error": {"message": said}}, status=400)
        return None

    return behaviour


def generated(folder: Path, server: FakeTeacher, profile: str = "generic-instruct") -> tuple[dict[str, Any], Artifact]:
    settings = shared_settings({"SEEDBED_VAR": str(folder)})
    store = ArtifactStore(settings.artifacts_url)
    artifact = store.artifact("made")
    teacher = TeacherReference(source="endpoint", url=server.url, model=ModelReference(name="teacher"), profile=profile)
    order = Order(all_leaves(), recipe(samples_per_leaf=2, attempts_factor=1.0), teacher, 3)
    return generate(order, artifact, settings=settings, store=store, log_file=folder / "log"), artifact


def failure(folder: Path, server: FakeTeacher, profile: str = "generic-instruct") -> tuple[str, str, str]:
    with pytest.raises(StageFailure) as caught:
        generated(folder, server, profile)
    problem = caught.value.problem
    return problem.code, problem.message, problem.advice


@pytest.mark.parametrize("profile", ["generic-instruct", "generic-base"])
def test_what_a_teacher_can_do_is_found_out_with_a_few_requests_and_kept(tmp_path: Path, profile: str) -> None:
    with FakeTeacher(context=4096) as server:
        summary, artifact = generated(tmp_path, server, profile)
        assert len(server.probes) == 4
    assert summary["teacher"] == artifact.read_json("teacher.json")
    found = summary["teacher"]
    assert (found["model"], found["profile"], found["url"]) == ("teacher", profile, server.url)
    assert found["completes"]
    assert found["chats"]
    assert found["prompt_probabilities"]
    assert found["likelihood"] is not None
    assert found["context_tokens"] == 4096
    assert found["structured"] is (True if profile == "generic-instruct" else None)


def test_a_model_without_a_chat_template_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    said = "As of transformers v4.44, default chat template is no longer allowed."
    with FakeTeacher(to_probes=refuse(said, only="/v1/chat/completions")) as server:
        code, message, advice = failure(tmp_path, server)
        assert (code, server.requests) == ("teacher_chat", [])
        assert message.startswith("The teacher answers no conversations, which the profile generic-instruct needs")
        assert said in message
        assert "generic-base" in advice
        # With the profile that the sentence names it goes on, from the same folder.
        summary, _ = generated(tmp_path, server, "generic-base")
    assert summary["teacher"]["chats"] is False
    assert summary["teacher"]["profile"] == "generic-base"


@pytest.mark.parametrize("status", [400, 404])
def test_a_server_that_only_chats_is_told_when_the_profile_continues_texts(tmp_path: Path, status: int) -> None:
    def no_completions(request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        return web.json_response({"error": "no"}, status=status) if request.path == "/v1/completions" else None

    with FakeTeacher(to_probes=no_completions) as server:
        code, message, advice = failure(tmp_path, server, "generic-base")
        assert (code, server.requests) == ("teacher_completions", [])
        assert "does not continue texts" in message
        assert "generic-instruct" in advice
        generated(tmp_path, server)


def test_a_context_too_small_for_a_leafs_prompt_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with FakeTeacher(context=300) as server:
        code, message, advice = failure(tmp_path, server)
        assert (code, server.requests) == ("teacher_context", [])
    assert message.startswith("The teacher takes 300 tokens, and a prompt of the leaf ")
    assert "longer context" in advice
    # Served with a longer one, the same generation goes on: what was seen before is not believed any more.
    with FakeTeacher(context=8192, port=server.port) as server:
        summary, _ = generated(tmp_path, server)
    assert summary["teacher"]["context_tokens"] == 8192


def test_a_server_that_takes_no_schema_is_asked_without_one(tmp_path: Path) -> None:
    with FakeTeacher(to_probes=refuse("response_format is not supported", only="response_format")) as server:
        summary, _ = generated(tmp_path, server)
        assert server.requests
        assert not any("response_format" in body for body in server.requests)
    assert summary["teacher"]["structured"] is False


def test_a_server_that_ignores_the_schema_is_seen(tmp_path: Path) -> None:
    def talks(_request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if "messages" not in body:
            return None
        text = "Sure! " + json.dumps({"answer": "Green."})
        return web.json_response({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    with FakeTeacher(to_probes=talks) as server:
        summary, _ = generated(tmp_path, server)
    assert summary["teacher"]["structured"] is False


def test_a_generation_that_goes_on_asks_no_probe_again(tmp_path: Path) -> None:
    with FakeTeacher() as server:
        _, artifact = generated(tmp_path, server)
        asked = len(server.probes)
        artifact.remove("summary.json")
        generated(tmp_path, server)
        assert len(server.probes) == asked
