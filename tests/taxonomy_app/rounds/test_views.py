"""The pages of rounds: who may open them, what they say, how the form checks, and what they cost."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from taxonomy_app.people.models import User
from taxonomy_app.rounds import services
from taxonomy_app.rounds.forms import PROFILES
from taxonomy_app.rounds.models import Round, RoundState
from taxonomy_app.rounds.services.record import artifact_store
from tests.taxonomy_app.rounds.making import (
    NOW,
    FakeBroker,
    FakeWorker,
    make_leaf,
    make_round,
    make_running,
    run_all,
    run_stage,
)
from workers.pipelines import pipeline
from workers.specs import FunnelStep, Progress, StageProblem
from workers.teacher.connection import endpoint_key
from workers.teacher.profiles import PROFILES as TEACHER_PROFILES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits", "fake_broker")]
ClientFor = Callable[..., Client]


@pytest.fixture
def admin_client(client_for: ClientFor, administrator: User) -> Client:
    return client_for(administrator)


def plan_fields(**changes: Any) -> dict[str, Any]:
    return {"recipe": "quick", **changes}


def address_of(name: str, round_: Round) -> str:
    return reverse(f"rounds:{name}", args=[] if name in ("list", "new") else [round_.pk])


# --- Who may ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["list", "round", "progress", "samples"])
def test_a_private_site_shows_visitors_nothing(
    name: str, client_for: ClientFor, administrator: User, contributor: User, settings: Any
) -> None:
    address = address_of(name, make_round(administrator))
    settings.PUBLIC = False
    assert client_for(None).get(address).status_code == 302
    assert client_for(contributor).get(address).status_code == 200


def test_what_only_administrators_need_is_shown_to_no_one_else(
    client_for: ClientFor, administrator: User, contributor: User, fake_broker: FakeBroker
) -> None:
    from workers.specs import ModelReference, TeacherReference

    teacher = TeacherReference(source="endpoint", url="http://inside:8000/v1", model=ModelReference(name="m/m"))
    running = make_running(administrator, teacher=teacher)
    services.report_apply(report=FakeWorker("host-7").report(fake_broker.specs[0], "started", 1), now=NOW)
    for user, shown in ((administrator, True), (contributor, False), (None, False)):
        text = client_for(user).get(running.get_absolute_url()).text
        assert ("http://inside:8000" in text) == shown
        assert ("Cancel the round" in text) == shown


@pytest.mark.parametrize("name", ["round", "progress", "samples"])
def test_a_round_that_does_not_exist_is_not_found(name: str, admin_client: Client) -> None:
    assert admin_client.get(reverse(f"rounds:{name}", args=[UUID(int=0)])).status_code == 404


# --- Planning ---------------------------------------------------------------------------------------------


def test_a_round_is_planned_and_started_by_two_posts_without_scripts(
    admin_client: Client, fake_broker: FakeBroker
) -> None:
    leaf = make_leaf("compositional_skills/writing/haiku")
    make_leaf("compositional_skills/writing/sonnet")
    answer = admin_client.post(
        reverse("rounds:new"),
        plan_fields(leaves=[str(leaf.leaf_id)], samples_per_leaf="5", control="no", random_seed="11", title="Mine"),
    )
    planned = Round.objects.get()
    assert answer.url == planned.get_absolute_url() == f"/rounds/{planned.pk}/"
    plan = planned.read_plan()
    assert [pin.path for pin in plan.leaves] == [leaf.path]
    assert plan.recipe.generation.samples_per_leaf == 5
    assert plan.recipe.tuning.control == "none"
    assert (plan.random_seed, planned.title) == (11, "Mine")
    page = admin_client.get(answer.url).text
    assert "What it will cost" in page
    assert "Start the round" in page
    admin_client.post(reverse("rounds:start", args=[planned.pk]))
    planned.refresh_from_db()
    assert planned.state == RoundState.RUNNING


def test_leaves_are_chosen_by_folder_by_branch_or_all(admin_client: Client) -> None:
    for path in ("compositional_skills/writing/haiku", "compositional_skills/writing_more/ode", "knowledge/salt/road"):
        make_leaf(path)

    def planned(**fields: Any) -> list[str]:
        assert admin_client.post(reverse("rounds:new"), plan_fields(**fields)).status_code == 302
        return [pin.path.rsplit("/", 1)[-1] for pin in Round.objects.newest_first()[0].read_plan().leaves]

    assert planned(choose="some", folders=["compositional_skills/writing"]) == ["haiku"]
    assert planned(choose="some", folders=["compositional_skills"]) == ["haiku", "ode"]
    assert planned() == planned(choose="all") == ["haiku", "ode", "road"]


def test_new_leaves_are_those_that_no_release_taught_as_they_are(
    admin_client: Client, administrator: User, fake_broker: FakeBroker
) -> None:
    old, changed = make_leaf("knowledge/salt/old"), make_leaf("knowledge/salt/changed")
    run_all(fake_broker, make_running(administrator, leaves=[old, changed]))
    assert admin_client.post(reverse("rounds:new"), plan_fields(choose="new")).status_code == 422
    make_leaf("knowledge/salt/added")
    changed.blob = "another"
    changed.save()
    assert admin_client.post(reverse("rounds:new"), plan_fields(choose="new")).status_code == 302
    # What is not new does not teach again, but is scored again.
    assert [(pin.path, pin.teaches) for pin in Round.objects.newest_first()[0].read_plan().leaves] == [
        ("knowledge/salt/added", True),
        ("knowledge/salt/changed", True),
        ("knowledge/salt/old", False),
    ]


def model_folder(folder: Path, *missing: str, **other: bytes) -> Path:
    """A folder that looks like a model: one weight of four bytes."""
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    files = {
        "config.json": b'{"model_type": "llama"}',
        "tokenizer.json": b"{}",
        "model.safetensors": len(header).to_bytes(8, "little") + header + bytes(4),
    }
    folder.mkdir()
    for name, data in {**files, **other}.items():
        if name not in missing:
            (folder / name).write_bytes(data)
    return folder


WRONG = {
    "no leaf": ({"choose": "some"}, "choose", "Choose at least one leaf."),
    "no recipe": ({"recipe": ""}, "recipe", "This field is required."),
    "unknown recipe": ({"recipe": "../quick"}, "recipe", "Select a valid choice"),
    "no samples": ({"samples_per_leaf": "0"}, "samples_per_leaf", "greater than or equal to 1"),
    "no url": ({"teacher_source": "endpoint"}, "teacher_url", "Write the URL"),
    "malformed url": ({"teacher_source": "endpoint", "teacher_url": "teacher:8000"}, "teacher_url", "is not the URL"),
    "broken port": ({"teacher_source": "endpoint", "teacher_url": "http://a:port/"}, "teacher_url", "is not a URL"),
    "secret in url": (
        {"teacher_source": "endpoint", "teacher_url": "http://me:secret@a/v1"},
        "teacher_url",
        "must not hold a name or a password",
    ),
    "url not used": ({"teacher_url": "http://a/v1"}, "teacher_url", "would not be used"),
    "key instead of its name": ({"teacher_key_variable": "sk-abc123"}, "teacher_key_variable", "not the key"),
    "further servers of no use": ({"teacher_further": "http://a/v1 4"}, "teacher_further", "would not be used"),
    "another secret of the worker": (
        {"teacher_key_variable": "SEEDBED_SECRET_KEY"},
        "teacher_key_variable",
        "begins with SEEDBED_TEACHER_KEY",
    ),
    "no student": ({"student": "other"}, "student_name", "Write which model"),
    "relative folder": ({"student_name": "./model"}, "student_name", "whole path"),
    "no folder": ({"student_name": "/nowhere/at/all"}, "student_name", "There is no folder /nowhere/at/all"),
    "no hub id": ({"student_name": "a b"}, "student_name", "neither a folder nor a model of the hub"),
    "no artifact": ({"student_name": "artifact:nothing"}, "student_name", "no finished artifact"),
    "path out of the store": ({"student_name": "artifact:../../etc"}, "student_name", "no finished artifact"),
    "unknown bundled": ({"teacher_model": "bundled:big"}, "teacher_model", "only bundled model"),
}


@pytest.mark.parametrize(("fields", "field", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    fields: dict[str, Any], field: str, message: str, admin_client: Client
) -> None:
    make_leaf("compositional_skills/writing/haiku")
    answer = admin_client.post(reverse("rounds:new"), {"title": "Kept words", **plan_fields(), **fields})
    assert answer.status_code == 422
    assert message in " ".join(answer.context["form"].errors[field])
    assert list(answer.context["form"].errors) == [field]
    assert "Kept words" in answer.text
    assert not Round.objects.exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [("config.json", "has no config.json"), ("tokenizer.json", "no tokenizer"), ("model.safetensors", "no weights")],
)
def test_a_student_folder_that_is_no_model_is_refused(
    missing: str, message: str, admin_client: Client, tmp_path: Path
) -> None:
    make_leaf("compositional_skills/writing/haiku")
    folder = model_folder(tmp_path / "model", missing)
    answer = admin_client.post(reverse("rounds:new"), plan_fields(student_name=str(folder)))
    assert message in answer.context["form"].errors["student_name"][0]
    short = model_folder(tmp_path / "short", **{"model.safetensors": b"cut"})
    answer = admin_client.post(reverse("rounds:new"), plan_fields(student_name=str(short)))
    assert "is no safetensors file" in answer.context["form"].errors["student_name"][0]
    whole = model_folder(tmp_path / "whole")
    assert admin_client.post(reverse("rounds:new"), plan_fields(student_name=str(whole))).status_code == 302


def test_a_teacher_that_does_not_answer_is_refused_unless_the_workers_reach_it(admin_client: Client) -> None:
    make_leaf("compositional_skills/writing/haiku")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1/"
        fields = plan_fields(teacher_source="endpoint", teacher_url=url, teacher_model="served")
        assert admin_client.post(reverse("rounds:new"), fields).status_code == 302
    assert Round.objects.get().read_plan().teacher.url == url.rstrip("/")
    answer = admin_client.post(reverse("rounds:new"), fields)
    assert "Nothing answers at 127.0.0.1" in answer.context["form"].errors["teacher_url"][0]
    assert admin_client.post(reverse("rounds:new"), {**fields, "seen_by_workers": "on"}).status_code == 302


@pytest.mark.parametrize("name", ["SEEDBED_TEACHER_KEY", "SEEDBED_TEACHER_KEY_2", "OPENAI_API_KEY"])
def test_a_key_variable_that_is_planned_is_one_that_workers_read(name: str, admin_client: Client) -> None:
    make_leaf("compositional_skills/writing/haiku")
    fields = plan_fields(
        teacher_source="endpoint", teacher_url="http://a/v1", teacher_model="m", teacher_key_variable=name
    )
    assert admin_client.post(reverse("rounds:new"), {**fields, "seen_by_workers": "on"}).status_code == 302
    assert endpoint_key(Round.objects.get().read_plan().teacher.key_variable, {name: "secret"}) == "secret"


def test_several_servers_are_planned_each_with_its_limit(admin_client: Client) -> None:
    make_leaf("compositional_skills/writing/haiku")
    fields = plan_fields(
        teacher_source="endpoint", teacher_url="http://a/v1", teacher_model="m", teacher_in_flight="32"
    )
    for wrong in ("http://b/v1 many", "http://b/v1 0", "b:8000 4"):
        answer = admin_client.post(
            reverse("rounds:new"), {**fields, "seen_by_workers": "on", "teacher_further": f"http://c/v1 2\n{wrong}"}
        )
        assert list(answer.context["form"].errors) == ["teacher_further"]
        assert wrong in answer.text
    further = {"seen_by_workers": "on", "teacher_further": "http://b/v1/ 64\n\nhttp://c/v1\n"}
    assert admin_client.post(reverse("rounds:new"), {**fields, **further}).status_code == 302
    planned = Round.objects.get()
    teacher = planned.read_plan().teacher
    assert [(other.url, other.max_in_flight) for other in teacher.further] == [("http://b/v1", 64), ("http://c/v1", 32)]
    assert teacher.in_flight == 128
    again = admin_client.get(reverse("rounds:new"), {"from": str(planned.pk)}).text
    assert "http://b/v1 64" in again


def test_a_pipeline_is_chosen_read_before_planning_and_on_the_round(
    admin_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_leaf("knowledge/salt/road")
    text = pipeline().text.replace('title = "LAB"', 'title = "Our own"')
    (tmp_path / "ours.toml").write_text(text, encoding="utf-8")
    (tmp_path / "broken.toml").write_text(text.replace("[filters.grounding]", "[filters.ground]"), encoding="utf-8")
    monkeypatch.setenv("SEEDBED_PIPELINES", str(tmp_path))
    shown = admin_client.get(reverse("rounds:new")).content.decode()
    assert "Our own (ours)" in shown
    assert "The pipeline file broken.toml is wrong at filters: the key &#x27;ground&#x27; is not known here." in shown
    for name in ("broken", "../ours"):
        assert "pipeline" in admin_client.post(reverse("rounds:new"), plan_fields(pipeline=name)).context["form"].errors
    assert admin_client.post(reverse("rounds:new"), plan_fields(pipeline="ours")).status_code == 302
    own = Round.objects.newest_first()[0]
    assert admin_client.post(reverse("rounds:new"), plan_fields()).status_code == 302
    usual = Round.objects.newest_first()[0]
    pins = [planned.read_plan().pipeline for planned in (own, usual)]
    assert [pin and (pin.name, pin.hash) for pin in pins] == [
        ("ours", pipeline("ours").hash),
        ("lab", pipeline().hash),
    ]
    # The file may change or go: the round keeps what it was planned with, and shows it.
    (tmp_path / "ours.toml").unlink()
    page = admin_client.get(own.get_absolute_url()).content.decode()
    assert "Our own" in page
    assert pipeline_hash(own) in page
    assert "Below is a passage of a document on $domain." in page
    # Other prompts make other data.
    outputs = [
        list(each.stages.order_by("position").values_list("output_artifact", flat=True)) for each in (own, usual)
    ]
    assert not set(outputs[0]) & set(outputs[1])
    again = admin_client.get(f"{reverse('rounds:new')}?from={own.pk}").context["form"]
    assert again["pipeline"].value() == "ours"


def pipeline_hash(planned: Round) -> str:
    pin = planned.read_plan().pipeline
    assert pin is not None
    return pin.hash


def test_what_was_seen_of_a_teacher_is_shown_on_its_round_and_before_it_is_planned_again(
    admin_client: Client, administrator: User, fake_broker: FakeBroker
) -> None:
    seen = {
        "model": "bundled:smollm2-135m-instruct",
        "profile": "bundled-small",
        "url": "",
        "completes": True,
        "chats": True,
        "chat_refusal": "",
        "structured": None,
        "probabilities": True,
        "prompt_probabilities": True,
        "likelihood": 1.875,
        "context_tokens": 2048,
    }
    assert "seen of this teacher" not in admin_client.post(reverse("rounds:estimate"), plan_fields()).content.decode()
    done = make_running(administrator)
    run_stage(fake_broker, done)
    stage = done.stages.get(kind="generation")
    stage.result = {**stage.result, "teacher": seen}
    stage.save()
    page = admin_client.get(done.get_absolute_url()).content.decode()
    assert "1.88 nats a token" in page
    assert "2,048 tokens" in page
    assert (
        "What was seen of this teacher" in admin_client.post(reverse("rounds:estimate"), plan_fields()).content.decode()
    )
    planned = make_round(administrator, random_seed=12)
    assert "What was seen of this teacher" in admin_client.get(planned.get_absolute_url()).content.decode()
    other = plan_fields(teacher_profile="generic-base")
    assert "seen of this teacher" not in admin_client.post(reverse("rounds:estimate"), other).content.decode()


def test_the_cost_is_shown_before_anything_is_planned(admin_client: Client) -> None:
    make_leaf("compositional_skills/writing/haiku")
    text = admin_client.post(reverse("rounds:estimate"), plan_fields(samples_per_leaf="50")).text
    assert 'id="estimate"' in text
    assert ">50<" in text
    assert "No round has run here yet" in text
    assert not Round.objects.exists()
    broken = admin_client.post(reverse("rounds:estimate"), plan_fields(choose="some")).text
    assert "in order" in broken


def test_planning_again_starts_from_the_earlier_plan(
    admin_client: Client, administrator: User, fake_broker: FakeBroker
) -> None:
    first = make_running(administrator)
    page = admin_client.get(reverse("rounds:new"), {"from": str(first.pk)})
    form = page.context["form"]
    assert form["samples_per_leaf"].value() == 4
    assert form.ticked_leaves == {str(leaf.leaf_id) for leaf in first.leaves.all()}
    admin_client.post(reverse("rounds:new"), plan_fields(planned_from=str(first.pk)))
    assert Round.objects.newest_first()[0].planned_from == first


def test_the_profiles_offered_are_those_that_teachers_have() -> None:
    assert {name for name, _ in PROFILES} == {"auto", *TEACHER_PROFILES}


# --- Watching ---------------------------------------------------------------------------------------------


def test_the_live_part_answers_304_until_something_changes(
    client_for: ClientFor, contributor: User, administrator: User, fake_broker: FakeBroker
) -> None:
    running = make_running(administrator)
    client, address = client_for(contributor), reverse("rounds:progress", args=[running.pk])
    first = client.get(address)
    assert "waits for a free GPU worker" in first.text
    etag = first.headers["ETag"]
    assert json.dumps(etag) in first.text.replace("&quot;", '"')
    again = client.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    worker = FakeWorker()
    spec = fake_broker.specs[0]
    services.report_apply(report=worker.report(spec, "started", 1), now=NOW)
    report = worker.report(
        spec, "progress", 2, progress=Progress(done=3, total=8, unit="samples", message="Asking for pairs")
    )
    services.report_apply(report=report, now=NOW)
    changed = client.get(address, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert 'data-progress="3 of 8 samples"' in changed.text
    assert "Asking for pairs." in changed.text
    services.report_apply(report=worker.report(spec, "heartbeat", 3), now=NOW)
    assert client.get(address, headers={"If-None-Match": changed.headers["ETag"]}).status_code == 304


def test_the_page_is_loaded_anew_when_a_stage_ends_and_looks_no_more_at_the_end(
    admin_client: Client, administrator: User, fake_broker: FakeBroker
) -> None:
    running = make_running(administrator)
    address = reverse("rounds:progress", args=[running.pk])
    seen = admin_client.get(address).context["seen"]
    assert "HX-Refresh" not in admin_client.get(address, {"seen": seen}).headers
    run_stage(fake_broker, running)
    assert admin_client.get(address, {"seen": seen}).headers["HX-Refresh"] == "true"
    assert "every 2s" in admin_client.get(running.get_absolute_url()).text
    run_all(fake_broker, running)
    assert "every 2s" not in admin_client.get(running.get_absolute_url()).text


def test_the_loss_curve_has_its_table(admin_client: Client, administrator: User, fake_broker: FakeBroker) -> None:
    running = make_running(administrator)
    run_stage(fake_broker, running)
    run_stage(fake_broker, running)
    progress = Progress(done=2, total=9, unit="steps", curve=((1.0, 2.71), (2.0, 2.25)))
    services.report_apply(report=FakeWorker().report(fake_broker.specs[-1], "progress", 1, progress=progress), now=NOW)
    page = admin_client.get(running.get_absolute_url())
    assert page.context["curve"] == [(1.0, 2.71, None), (2.0, 2.25, None)]
    assert "2.7100" in page.text
    assert "<loss-curve" in page.text


def test_a_failed_round_says_why_and_what_to_do(
    admin_client: Client, administrator: User, fake_broker: FakeBroker
) -> None:
    running = make_running(administrator)
    spec = fake_broker.specs[0]
    problem = StageProblem(code="teacher", message="The teacher's server did not start.", advice="Look at its log.")
    artifact_store().artifact(spec.output).write_text("logs/attempt-1.log", "it broke <here>")
    services.report_apply(report=FakeWorker().report(spec, "failed", 2, problem=problem), now=NOW)
    text = admin_client.get(running.get_absolute_url()).text
    assert "The teacher&#x27;s server did not start." in text
    assert "Look at its log." in text
    assert "Try again" in text
    log = admin_client.get(reverse("rounds:log", args=[running.pk, "generation", 1]))
    assert log.text == "it broke <here>"
    assert log.headers["Content-Type"].startswith("text/plain")
    admin_client.post(reverse("rounds:retry", args=[running.pk]))
    running.refresh_from_db()
    assert running.state == RoundState.RUNNING


def test_acts_that_come_too_late_say_so(admin_client: Client, administrator: User, fake_broker: FakeBroker) -> None:
    running = make_running(administrator)
    for name, sentence in (("start", "was started or discarded already"), ("retry", "has not failed")):
        page = admin_client.post(reverse(f"rounds:{name}", args=[running.pk]), follow=True)
        assert sentence in page.text
    assert "is cancelled" in admin_client.post(reverse("rounds:cancel", args=[running.pk]), follow=True).text
    assert "is over already" in admin_client.post(reverse("rounds:cancel", args=[running.pk]), follow=True).text


# --- Reading samples --------------------------------------------------------------------------------------


def test_samples_and_dropped_rows_are_read_with_filter_reason_and_score(
    client_for: ClientFor, administrator: User, fake_broker: FakeBroker
) -> None:
    client, running = client_for(None), make_running(administrator)
    address = reverse("rounds:samples", args=[running.pk])
    assert "can be read when the generation is done" in client.get(address).text
    run_stage(fake_broker, running)
    leaf = running.leaves.order_by("path")[0]

    def rows(**query: Any) -> list[Any]:
        return client.get(address, query).context["page"].rows

    assert len(rows()) == 8
    assert {row.sample.metadata.leaf_path for row in rows(leaf=str(leaf.leaf_id))} == {leaf.path}
    dropped = rows(show="dropped", leaf=str(leaf.leaf_id))
    assert [(row.filter, row.reason, row.score) for row in dropped] == [
        ("grounding", "grounding says no.", 0.2),
        ("near_duplicate", "near_duplicate says no.", 0.93),
    ]
    assert {row.filter for row in rows(show="dropped", filter="grounding")} == {"grounding"}
    assert len(rows(q="QUESTION 3 about compositional")) == 1
    # What is not known is passed over, not believed.
    assert len(rows(leaf="../../etc", filter="nonsense", page="-1")) == 8
    page = client.get(running.get_absolute_url())
    assert page.context["totals"] == {"asked": 12, "kept": 8, "dropped": 4}
    assert "0.81" in page.text


def test_a_leaf_without_a_sample_and_seeds_without_a_score_are_told_on_the_page(
    client_for: ClientFor, administrator: User, fake_broker: FakeBroker
) -> None:
    running = make_running(administrator)
    bare, full = running.leaves.order_by("path")
    artifact = artifact_store().artifact(fake_broker.specs[-1].output)
    steps = [
        FunnelStep(leaf_id=str(bare.leaf_id), step="answer", given=9, kept=0, dropped={"grounding": 9}),
        FunnelStep(leaf_id=str(full.leaf_id), step="answer", given=9, kept=4, dropped={"grounding": 5}),
    ]
    artifact.write_json("funnel.json", [step.model_dump(mode="json") for step in steps])
    artifact.write_json("result.json", {"samples": 4})
    artifact.finish(kind="generation")
    run_all(fake_broker, running)
    running.stages.filter(kind="evaluation").update(
        result={"left_out": {full.path: ["it is longer than the 1024 tokens that the model reads"]}}
    )
    page = client_for(None).get(running.get_absolute_url())
    assert page.context["empty_leaves"] == [bare.path]
    assert "1 leaf ended without a single sample" in page.text
    assert "It is taught by its seeds alone" in page.text
    assert page.context["unscored"] == [(full.path, ["it is longer than the 1024 tokens that the model reads"])]
    assert "it is longer than the 1024 tokens" in page.text


def test_samples_are_paged(
    client_for: ClientFor, administrator: User, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taxonomy_app.rounds.views.ROWS_ON_A_PAGE", 5)
    running = make_running(administrator)
    run_stage(fake_broker, running)
    address, client = reverse("rounds:samples", args=[running.pk]), client_for(None)
    pages = [client.get(address, {"page": str(number)}).context["page"] for number in (1, 2, 3)]
    assert [len(page.rows) for page in pages] == [5, 3, 0]
    assert [page.has_next for page in pages] == [True, False, False]
    ids = [row.sample.sample_id for page in pages for row in page.rows]
    assert len(set(ids)) == 8


def test_what_people_wrote_is_shown_as_text(
    client_for: ClientFor, administrator: User, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.taxonomy_app.rounds import making

    plain = making.sample
    monkeypatch.setattr(making, "sample", lambda *a: plain(*a, text="<script>alert(1)</script>"))
    running = make_running(administrator)
    run_stage(fake_broker, running)
    text = client_for(None).get(reverse("rounds:samples", args=[running.pk])).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


# --- Cost of the pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["list", "new", "round", "progress", "samples"])
def test_the_number_of_queries_does_not_grow(
    name: str,
    admin_client: Client,
    administrator: User,
    fake_broker: FakeBroker,
) -> None:
    def count(round_: Round) -> int:
        address = address_of(name, round_)
        admin_client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin_client.get(address).status_code == 200
        return len(captured)

    small = make_running(administrator)
    run_all(fake_broker, small)
    few = count(small)
    leaves = [make_leaf(f"compositional_skills/many/leaf_{n}") for n in range(12)]
    for seed in range(20, 22):
        large = make_running(administrator, leaves=leaves, random_seed=seed)
        run_all(fake_broker, large)
    assert count(large) == few
    assert few <= 16
