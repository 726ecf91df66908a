"""Generation against a server that speaks real HTTP: what is kept, counted, told; held-out seeds stay out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.leaves import SENTINEL, all_leaves, freeform_leaf, grounded_leaf, knowledge_leaf, recipe
from workers.artifacts import Artifact, ArtifactStore
from workers.environment import shared_settings
from workers.generation.run import Order, generate
from workers.pipelines import pipeline
from workers.specs import (
    DroppedSample,
    FunnelStep,
    GenerationRecipe,
    ModelReference,
    PlannedLeaf,
    Progress,
    Sample,
    TeacherReference,
)
from workers.stages import StageCancelled, StageFailure

PROFILES = ("generic-base", "bundled-small", "generic-instruct", "mixtral-8x7b-instruct")


IN_FLIGHT = 8


def teacher_at(url: str, profile: str = "generic-instruct", in_flight: int = IN_FLIGHT) -> TeacherReference:
    return TeacherReference(
        source="endpoint", url=url, model=ModelReference(name="teacher"), profile=profile, max_in_flight=in_flight
    )


def run(
    folder: Path,
    server: FakeTeacher,
    *,
    leaves: tuple[PlannedLeaf, ...] | None = None,
    profile: str = "generic-instruct",
    wanted: GenerationRecipe | None = None,
    seed: int = 3,
    name: str = "made",
    **options: Any,
) -> tuple[dict[str, Any], Artifact]:
    settings = shared_settings({"SEEDBED_VAR": str(folder)})
    store = ArtifactStore(settings.artifacts_url)
    artifact = store.artifact(name)
    order = Order(
        leaves if leaves is not None else all_leaves(),
        wanted or recipe(),
        teacher_at(server.url, profile),
        seed,
        options.pop("benchmark_texts", ()),
        options.pop("pipeline", None) or pipeline(),
    )
    summary = generate(order, artifact, settings=settings, store=store, log_file=folder / "teacher.log", **options)
    return summary, artifact


def samples_of(artifact: Artifact) -> list[Sample]:
    return [Sample.model_validate_json(line) for line in artifact.lines("samples.jsonl")]


def dropped_of(artifact: Artifact) -> list[DroppedSample]:
    return [DroppedSample.model_validate_json(line) for line in artifact.lines("dropped.jsonl")]


def funnel_of(artifact: Artifact) -> list[FunnelStep]:
    return [FunnelStep.model_validate(step) for step in artifact.read_json("funnel.json")]


@pytest.fixture(autouse=True)
def _invented_words_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake teacher's words are in no document; grounding has its own tests."""
    from workers.generation.filters.grounding import Grounding

    monkeypatch.setattr(Grounding, "check", lambda *_: None)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_leaf_gets_the_samples_that_were_wanted(tmp_path: Path, profile: str) -> None:
    with FakeTeacher() as server:
        summary, artifact = run(tmp_path, server, profile=profile)
    found = samples_of(artifact)
    by_leaf = Counter(sample.metadata.leaf_path for sample in found)
    assert by_leaf == {leaf.path: 6 for leaf in all_leaves()[:3]}
    assert summary["samples"] == 18
    assert summary["leaves"] == {leaf.leaf_id: 6 for leaf in all_leaves()[:3]}
    assert summary["empty_leaves"] == []
    assert len({sample.sample_id for sample in found}) == 18
    for sample in found:
        assert [message.role for message in sample.messages] == ["user", "assistant"]
        assert sample.metadata.origin == "generated"
        assert sample.metadata.seeds
        made_by = (sample.metadata.pipeline, sample.metadata.pipeline_version, sample.metadata.pipeline_hash)
        assert made_by == ("lab", pipeline().content.version, pipeline().hash)
    assert summary["pipeline"] == pipeline().facts
    knowledge = [sample for sample in found if sample.metadata.leaf_path == knowledge_leaf().path]
    if profile != "generic-base":
        # A base model's long answers are put together from sentences that say them; the invented ones are in none.
        assert {sample.metadata.length for sample in knowledge} == {"short", "long"}
    text = knowledge_leaf().documents[0].text
    for sample in knowledge:
        assert sample.metadata.span is not None
        name, start, end = sample.metadata.span
        assert name == "harbours.md"
        assert text[start:end].strip()


@pytest.mark.parametrize("profile", PROFILES)
def test_no_prompt_ever_holds_a_held_out_seed(tmp_path: Path, profile: str) -> None:
    with FakeTeacher() as server:
        run(tmp_path, server, profile=profile, wanted=recipe(samples_per_leaf=20, judge=True))
        prompts = server.prompts()
    assert len(prompts) > 60
    assert not any(SENTINEL in prompt for prompt in prompts)
    # The names in the prompts show that seeds are shown at all.
    assert any("Orsa" in prompt for prompt in prompts)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_prompt_shows_one_leaf_only(tmp_path: Path, profile: str) -> None:
    marks = {"knowledge": "lantern of", "grounded": "boat sails on Monday", "freeform": "Write one line about"}
    with FakeTeacher() as server:
        run(tmp_path, server, profile=profile)
        prompts = server.prompts()
    for prompt in prompts:
        assert sum(mark in prompt for mark in marks.values()) <= 1


def test_the_same_seed_asks_the_same_and_another_seed_something_else(tmp_path: Path) -> None:
    asked = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        with FakeTeacher() as server:
            run(tmp_path, server, seed=seed, name=name, wanted=recipe(samples_per_leaf=4, attempts_factor=1.0))
            asked.append({(body["messages"][-1]["content"], body["seed"]) for body in server.requests})
    assert asked[0] == asked[1]
    assert not asked[0] & asked[2]


def test_the_bundled_profile_never_sends_a_seed_with_a_request(tmp_path: Path) -> None:
    with FakeTeacher() as server:
        run(tmp_path, server, profile="bundled-small")
        assert server.requests
        assert not any("seed" in body for body in server.requests)


def test_rows_are_in_the_order_of_the_plan_whatever_order_they_came_in(tmp_path: Path) -> None:
    with FakeTeacher(latency=0.005) as server:
        _, first = run(tmp_path, server, name="a")
        _, second = run(tmp_path, server, name="b")
    paths = [sample.metadata.leaf_path for sample in samples_of(first)]
    assert paths == sorted(paths, key=[leaf.path for leaf in all_leaves()].index)
    common = {sample.sample_id for sample in samples_of(first)} & {sample.sample_id for sample in samples_of(second)}
    orders = [[s.sample_id for s in samples_of(made) if s.sample_id in common] for made in (first, second)]
    assert orders[0] == orders[1]


def always(text: str) -> Callable[[web.Request, dict[str, Any]], web.Response]:
    """Every question and answer is this text."""

    def behaviour(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        content = json.dumps({"question": text, "answer": text, "context": text})
        return web.json_response({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})

    return behaviour


def test_every_dropped_row_is_kept_with_its_reason_and_the_funnel_adds_up(tmp_path: Path) -> None:
    said: list[int] = []

    def sometimes_bad(_request: web.Request, body: dict[str, Any]) -> web.Response | None:
        said.append(1)
        if '"question"' in body["messages"][-1]["content"].rsplit("Reply with JSON", 1)[-1] and len(said) % 3 == 0:
            return always("What does the passage say?")(_request, body)
        return None

    with FakeTeacher(behaviour=sometimes_bad) as server:
        summary, artifact = run(tmp_path, server, leaves=(knowledge_leaf(),))
    dropped = dropped_of(artifact)
    assert dropped
    assert all(row.reason and row.filter for row in dropped)
    assert dict(Counter(row.filter for row in dropped)) == summary["dropped"]
    steps = funnel_of(artifact)
    assert [step.step for step in steps] == ["question", "answer", "judge"]
    assert all(step.given == step.kept + sum(step.dropped.values()) for step in steps)
    assert [step.given for step in steps[1:]] == [step.kept for step in steps[:-1]]
    assert steps[-1].kept == len(samples_of(artifact)) == 6
    assert steps[0].given == 6 + len(dropped)


def test_a_leaf_that_ends_empty_is_said_and_asked_no_more_than_allowed(tmp_path: Path) -> None:
    with FakeTeacher(behaviour=always("no question at all")) as server:
        summary, artifact = run(tmp_path, server, leaves=(knowledge_leaf(),))
        assert len(server.requests) == 24
    assert summary["empty_leaves"] == [knowledge_leaf().path]
    assert samples_of(artifact) == []
    assert len(dropped_of(artifact)) == 24


def test_what_is_not_json_is_dropped_and_counted(tmp_path: Path) -> None:
    def words(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": "Sure! Here you go."}, "finish_reason": "stop"}]})

    with FakeTeacher(behaviour=words) as server:
        summary, _ = run(tmp_path, server, leaves=(freeform_leaf(),))
    assert summary["dropped"] == {"unreadable": 24}


def test_a_request_that_the_server_refuses_costs_its_row_only(tmp_path: Path) -> None:
    refused: list[int] = []

    def too_long(_request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        refused.append(1)
        if len(refused) % 5 == 0:
            return web.json_response({"error": {"message": "maximum context length exceeded"}}, status=400)
        return None

    with FakeTeacher(behaviour=too_long) as server:
        summary, artifact = run(tmp_path, server)
    assert summary["samples"] == 18
    assert summary["dropped"]["request"] >= 1
    assert any("maximum context length" in row.reason for row in dropped_of(artifact))


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("This model has no chat template.", "profile that continues texts"),
        ("This model's maximum context length is 256 tokens.", "context is too small"),
        ("structured outputs are switched off", "choose another teacher or profile"),
    ],
)
def test_a_server_that_refuses_everything_is_a_failure_and_not_an_empty_round(
    tmp_path: Path, said: str, advice: str
) -> None:
    def refuse(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": said}}, status=400)

    with FakeTeacher(behaviour=refuse) as server, pytest.raises(StageFailure) as caught:
        run(tmp_path, server)
    assert caught.value.problem.code == "teacher_refuses"
    assert said in caught.value.problem.message
    assert advice in caught.value.problem.advice
    # Put right, it is as if nothing had been asked: no leaf has fewer rows to try for it.
    with FakeTeacher() as server:
        summary, artifact = run(tmp_path, server)
    assert summary["samples"] == 18
    assert "request" not in summary["dropped"]
    assert not any(row.filter == "request" for row in dropped_of(artifact))


def test_what_a_benchmark_asks_is_not_taught(tmp_path: Path) -> None:
    item = "Which of these changes causes day and night on the planet Earth?"
    with FakeTeacher(behaviour=always(item)) as server:
        summary, _ = run(tmp_path, server, leaves=(freeform_leaf(),), benchmark_texts=(item,))
    assert summary["samples"] == 0
    assert summary["dropped"]["benchmark"] >= 1


@pytest.mark.parametrize("profile", ["generic-base", "generic-instruct"])
def test_a_judge_is_judged_first_and_its_numbers_are_told(tmp_path: Path, profile: str) -> None:
    with FakeTeacher() as server:
        summary, _ = run(tmp_path, server, leaves=(knowledge_leaf(),), profile=profile, wanted=recipe(judge=True))
    facts = summary["judge"]["knowledge"]
    assert facts["judge"] == ("likelihood" if profile == "generic-base" else "choice")
    assert facts["right"] >= 6
    assert facts["wrong"] >= 6
    assert 0 <= facts["low"] <= facts["area"] <= facts["high"] <= 1
    assert isinstance(facts["decides"], bool)


def test_a_judge_may_write_down_why_and_is_judged_like_any_other(tmp_path: Path) -> None:
    def graded(_request: web.Request, body: dict[str, Any]) -> web.Response | None:
        asked = body["messages"][-1]["content"]
        if "Grades:" not in asked:
            return None
        right = any(f"Question: {seed.question}\nAnswer: {seed.answer}" in asked for seed in knowledge_leaf().seeds)
        text = f"I have read it.\nGrade: {3 if right else 1}"
        return web.json_response({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    wanted = recipe(judge=True, judge_form="written", samples_per_leaf=2, attempts_factor=2.0)
    with FakeTeacher(behaviour=graded) as server:
        summary, artifact = run(tmp_path, server, leaves=(knowledge_leaf(),), wanted=wanted)
    facts = summary["judge"]["knowledge"]
    assert (facts["judge"], facts["by_text"], facts["decides"], facts["area"]) == ("written", True, True, 1.0)
    assert {row.filter for row in dropped_of(artifact)} == {"judge_written"}


def test_a_judge_that_cannot_tell_right_from_wrong_decides_nothing(tmp_path: Path) -> None:
    def indifferent(_request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if not body.get("logprobs"):
            return None
        content = [{"token": "1", "logprob": 0.0, "top_logprobs": [{"token": "1", "logprob": 0.0}]}]
        choice = {"message": {"content": "1"}, "finish_reason": "stop", "logprobs": {"content": content}}
        return web.json_response({"choices": [choice]})

    with FakeTeacher(behaviour=indifferent) as server:
        summary, artifact = run(tmp_path, server, leaves=(knowledge_leaf(),), wanted=recipe(judge=True))
    facts = summary["judge"]["knowledge"]
    assert facts["area"] == 0.5
    assert not facts["decides"]
    # All graded as wrong, and yet all are kept.
    assert len(samples_of(artifact)) == 6


def test_progress_goes_up_and_names_the_leaf(tmp_path: Path) -> None:
    told: list[Progress] = []
    with FakeTeacher(latency=0.1) as server:
        run(tmp_path, server, report=told.append)
    assert told[-1].done == told[-1].total == 18
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert any("knowledge/places/harbours" in progress.message for progress in told)


def test_foundational_leaves_are_left_to_the_mixture_and_need_no_teacher(tmp_path: Path) -> None:
    with FakeTeacher() as server:
        summary, artifact = run(tmp_path, server, leaves=(all_leaves()[3],))
        assert server.requests == []
    assert summary["samples"] == 0
    assert samples_of(artifact) == []


def test_a_leaf_without_a_seed_is_one_clear_sentence(tmp_path: Path) -> None:
    bare = freeform_leaf().model_copy(update={"seeds": (), "held_out": ()})
    with FakeTeacher() as server, pytest.raises(StageFailure) as caught:
        run(tmp_path, server, leaves=(bare,))
    assert caught.value.problem.code == "no_seeds"


def test_a_leaf_that_is_only_scored_is_neither_asked_about_nor_taught_by_the_way(tmp_path: Path) -> None:
    scored = freeform_leaf().model_copy(
        update={"seeds": (), "leaf_id": "scored", "path": "compositional_skills/scored"}
    )
    with FakeTeacher(behaviour=always(scored.held_out[0].question)) as server:
        summary, artifact = run(tmp_path, server, leaves=(freeform_leaf().model_copy(update={"held_out": ()}), scored))
    assert list(summary["leaves"]) == ["leaf-freeform"]
    assert samples_of(artifact) == []
    assert {row.filter for row in dropped_of(artifact)} == {"held_out"}


def test_a_teacher_that_goes_away_is_a_failure_that_keeps_what_was_done(tmp_path: Path) -> None:
    wanted = recipe(samples_per_leaf=20)
    asked: list[int] = []

    def dying(_request: web.Request, _body: dict[str, Any]) -> web.Response | None:
        asked.append(1)
        return web.Response(status=401) if len(asked) > 80 else None

    with FakeTeacher(behaviour=dying) as server, pytest.raises(StageFailure) as caught:
        run(tmp_path, server, wanted=wanted)
    assert caught.value.problem.code == "teacher_key"
    with FakeTeacher() as server:
        summary, artifact = run(tmp_path, server, wanted=wanted)
        again = len(server.requests)
    with FakeTeacher() as server:
        run(tmp_path, server, wanted=wanted, name="from-nothing")
        whole = len(server.requests)
    assert summary["samples"] == 60
    assert len({sample.sample_id for sample in samples_of(artifact)}) == 60
    # Of the 80 answers those of rows that were under way are lost, at most two for each of ten rows.
    assert again <= whole - 80 + 30


def test_cancelling_asks_nothing_more_and_keeps_what_was_finished(tmp_path: Path) -> None:
    asked_before: list[int] = []
    with FakeTeacher(latency=0.02) as server:

        def cancelled() -> bool:
            if len(server.requests) >= 32 and not asked_before:
                # From here on answers take longer than anyone would wait.
                server.latency = 600
                asked_before.append(len(server.requests))
            return bool(asked_before)

        with pytest.raises(StageCancelled):
            run(tmp_path, server, cancelled=cancelled)
        done = len(server.requests)
        assert done <= asked_before[0] + 2 * IN_FLIGHT
    with FakeTeacher() as server:
        summary, _ = run(tmp_path, server)
        again = len(server.requests)
    with FakeTeacher() as server:
        run(tmp_path, server, name="from-nothing")
        whole = len(server.requests)
    assert summary["samples"] == 18
    # Ten rows are under way at once, two requests each; what they had is lost, all else is kept.
    assert again <= whole - done + 30


def test_after_a_stop_the_texts_of_earlier_rows_are_remembered_as_texts(tmp_path: Path) -> None:
    text = "The amber lantern of the northern harbour was lit when the last boat had come home."

    def same_text(_request: web.Request, body: dict[str, Any]) -> web.Response | None:
        asked = body["messages"][-1]["content"]
        if '{"context"' not in asked:
            return None
        choice = {"message": {"content": json.dumps({"context": text})}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice]})

    wanted = recipe(samples_per_leaf=20)
    with FakeTeacher(behaviour=same_text, latency=0.2) as server, pytest.raises(StageCancelled):
        # Ten rows at once: by the fortieth request the first row has had its text, question and answer.
        run(tmp_path, server, leaves=(grounded_leaf(),), wanted=wanted, cancelled=lambda: len(server.requests) >= 40)
    with FakeTeacher(behaviour=same_text) as server:
        _, artifact = run(tmp_path, server, leaves=(grounded_leaf(),), wanted=wanted)
    # One row had the text first; every other is the same text again, before and after the stop.
    assert len(samples_of(artifact)) + sum(row.filter != "duplicate" for row in dropped_of(artifact)) == 1


def test_finished_parts_are_gone_and_a_second_call_asks_nothing(tmp_path: Path) -> None:
    with FakeTeacher() as server:
        first, artifact = run(tmp_path, server)
        asked = len(server.requests)
        again, _ = run(tmp_path, server)
        assert len(server.requests) == asked
    assert again == first
    assert artifact.names() == ["dropped.jsonl", "funnel.json", "samples.jsonl", "summary.json", "teacher.json"]
