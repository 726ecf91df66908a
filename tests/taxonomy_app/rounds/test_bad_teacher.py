"""A teacher that cannot be used: the real generation meets it, the page says it in a sentence, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from django.test import Client

from taxonomy_app.people.models import User
from taxonomy_app.rounds import services
from taxonomy_app.rounds.models import Round, RoundState
from taxonomy_app.rounds.services.record import artifact_store
from taxonomy_app.tree.models import Leaf
from tests.taxonomy_app.rounds.making import NOW, FakeBroker, FakeWorker, make_round, tiny_recipe
from tests.workers.fake_teacher import FakeTeacher
from workers.environment import shared_settings
from workers.generation.stage import run
from workers.specs import ModelReference, StageSpec, TeacherReference
from workers.stages import StageContext, StageFailure, read_plan, stage_finish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits")]
WORKER = FakeWorker()


def no_template(request: web.Request, _body: dict[str, Any]) -> web.Response | None:
    if request.path != "/v1/chat/completions":
        return None
    return web.json_response({"error": {"message": "The model has no chat template."}}, status=400)


@dataclass(frozen=True)
class Bad:
    """What is wrong with the server, and the sentence; ``key`` is what the worker has."""

    sentence: str
    advice: str
    server: dict[str, Any] = field(default_factory=dict)
    key: str = "right"
    down: bool = False


BAD = {
    "down": Bad("cannot be reached: nothing listens there.", "Check its address and that it is running", down=True),
    "wrong key": Bad("refuses the key.", "", key="wrong"),
    "no chat template": Bad(
        "answers no conversations, which the profile generic-instruct needs: The model has no chat template.",
        "generic-base",
        {"to_probes": no_template},
    ),
    "context too small": Bad("takes 128 tokens, and a prompt of the leaf ", "longer context", {"context": 128}),
}


def worked(spec: StageSpec, var: Any) -> StageContext:
    """The worker's side of a stage: the plan as it was written, and the real generation."""
    plan, leaves = read_plan(artifact_store(), spec.plan)
    settings = shared_settings({"SEEDBED_VAR": str(var)})
    context = StageContext(settings=settings, store=artifact_store(), plan=plan, leaves=leaves)
    services.report_apply(report=WORKER.report(spec, "started", 1), now=NOW)
    try:
        result = run(spec, context)
    except StageFailure as failure:
        services.report_apply(report=WORKER.report(spec, "failed", 2, problem=failure.problem), now=NOW)
        raise
    stage_finish(spec, context, result)
    services.report_apply(report=WORKER.report(spec, "done", 2, artifact=spec.output, result=result), now=NOW)
    return context


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_it_is_one_sentence_on_the_rounds_page_and_the_round_goes_on_once_put_right(
    bad: Bad,
    taxonomy: Any,
    administrator: User,
    fake_broker: FakeBroker,
    client_for: Callable[..., Client],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEDBED_TEACHER_KEY", bad.key)
    with FakeTeacher(key="right", **bad.server) as server:
        teacher = TeacherReference(
            source="endpoint",
            url=server.url,
            model=ModelReference(name="teacher"),
            profile="generic-instruct",
            key_variable="SEEDBED_TEACHER_KEY",
        )
        planned = make_round(
            administrator,
            leaves=list(Leaf.objects.present()),
            teacher=teacher,
            recipe=tiny_recipe(control=False, samples=2),
        )
        services.round_start(round=planned, actor=administrator, now=NOW)
        assert services.round_prepare(round_id=planned.pk, now=NOW)
        if not bad.down:
            fail(fake_broker, tmp_path)
    while bad.down and Round.objects.get(pk=planned.pk).state == RoundState.RUNNING:
        # One that cannot be reached may come back: it is tried a few times before a person is asked.
        assert len(fake_broker.specs) <= 5
        fail(fake_broker, tmp_path)
    failed = Round.objects.get(pk=planned.pk)
    assert failed.state == RoundState.FAILED
    page = client_for(administrator).get(failed.get_absolute_url()).text
    assert bad.sentence in page
    assert bad.advice in page
    assert "Traceback" not in page
    # Put right where it was wrong: the same round goes on with the plan, the seeds and the decisions that it had.
    monkeypatch.setenv("SEEDBED_TEACHER_KEY", "right")
    with FakeTeacher(key="right", port=server.port) as mended:
        services.stage_retry(round=failed, actor=administrator, now=NOW)
        worked(fake_broker.specs[-1], tmp_path)
        assert mended.requests
    going_on = Round.objects.get(pk=planned.pk)
    assert going_on.state == RoundState.RUNNING
    assert going_on.plan_hash == planned.plan_hash
    assert going_on.stages.get(kind="generation").state == "done"


def fail(fake_broker: FakeBroker, tmp_path: Any) -> None:
    with pytest.raises(StageFailure):
        worked(fake_broker.specs[-1], tmp_path)
