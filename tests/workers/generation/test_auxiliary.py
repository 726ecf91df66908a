"""Tasks about whole passages: asked beside the questions, checked against the passage, marked for the long phase."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.workers.fake_teacher import FakeTeacher
from tests.workers.generation.filters.rows import a_row, reason
from tests.workers.generation.leaves import knowledge_leaf, recipe
from tests.workers.generation.test_run import dropped_of, funnel_of, run, samples_of
from workers.generation.documents import chunks_of
from workers.generation.filters.condensing import Condensed, Verbatim
from workers.generation.material import material_of, plans_of
from workers.generation.rows import RowPlan
from workers.pipelines import pipeline, read_pipeline
from workers.pipelines.shape import AUXILIARY, PipelineFile

CONTENT = pipeline().content


def content(every: int = 3) -> PipelineFile:
    """The shipped pipeline with such rows more often."""
    return read_pipeline(pipeline().text.replace("every = 12", f"every = {every}"), "often").content


def plans(used: PipelineFile, count: int, *, passages: bool = True) -> list[RowPlan]:
    leaf = knowledge_leaf()
    chunks = chunks_of(leaf.documents, chunk_tokens=30, count=lambda text: len(text.split()))
    material = material_of(leaf, 0, chunks, passages=chunks if passages else ())
    return list(itertools.islice(plans_of(material, random_seed=7, content=used), count))


def test_every_passage_gets_each_task_once_beside_the_questions() -> None:
    drawn = plans(content(3), 60)
    assert [plan.index for plan in drawn] == list(range(60))
    for task in AUXILIARY:
        spans = [(plan.target.start, plan.target.end) for plan in drawn if plan.task == task and plan.target]
        assert len(spans) == len(set(spans)) == 5
        asks = next(block.asks for block in content(3).auxiliary if block.block == task)
        assert {plan.opening for plan in drawn if plan.task == task} <= set(asks)
    # Three questions, then one row of each task.
    assert [plan.task for plan in drawn[:6]] == ["pair", "pair", "pair", *AUXILIARY]


def test_the_questions_are_the_same_with_and_without_such_tasks() -> None:
    def of(rows: list[RowPlan]) -> list[Any]:
        return [(row.examples, row.target, row.persona, row.length, row.seed) for row in rows if row.task == "pair"]

    assert of(plans(content(3), 60))[:40] == of(plans(CONTENT, 60, passages=False))[:40]


def told(answers: dict[str, str]) -> Any:
    """Answers to what is asked of passages, by a word of the prompt."""

    def behaviour(_request: web.Request, body: dict[str, Any]) -> web.Response | None:
        asked = body["messages"][-1]["content"]
        text = next((answer for sign, answer in answers.items() if sign in asked), None)
        if text is None:
            return None
        choice = {"message": {"content": json.dumps({"answer": text})}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice]})

    return behaviour


@pytest.fixture
def own_pipeline() -> Any:
    return read_pipeline(pipeline().text.replace("every = 12", "every = 2"), "often")


def test_good_ones_become_samples_for_the_long_phase_and_bad_ones_are_dropped_with_a_reason(
    tmp_path: Path, own_pipeline: Any
) -> None:
    behaviour = told(
        {
            "Summarise the passage": "Boats leave in spring.",
            "List the facts": "- The lantern was made by Napoleon in 1807.",
            "Copy out": "Every spring its boats carry nothing at all.",
        }
    )
    with FakeTeacher(behaviour=behaviour) as server:
        summary, artifact = run(
            tmp_path, server, leaves=(knowledge_leaf(),), wanted=recipe(samples_per_leaf=12), pipeline=own_pipeline
        )
    steps = {step.step: step for step in funnel_of(artifact)}
    assert all(step.given == step.kept + sum(step.dropped.values()) for step in steps.values())
    assert {name: steps[name].task for name in ("question", "answer", "judge")} == {
        "question": "",
        "answer": "",
        "judge": "",
    }
    assert all(steps[name].task == name for name in AUXILIARY)
    about = [sample for sample in samples_of(artifact) if "Boats leave in spring." in sample.messages[-1].content]
    assert len(about) == steps["summary"].kept > 0
    text = knowledge_leaf().documents[0].text
    for sample in about:
        assert sample.metadata.length == "long"
        assert sample.metadata.span is not None
        _, start, end = sample.metadata.span
        # The passage is what the student is shown, and then asked about.
        assert sample.messages[0].content.startswith(text[start:end])
        assert sample.messages[0].content.rsplit("\n\n", 1)[1] in own_pipeline.content.auxiliary[0].asks
    assert summary["samples"] == len(samples_of(artifact))
    reasons = [(row.filter, row.reason) for row in dropped_of(artifact)]
    assert any(name == "grounding" and "'Napoleon'" in reason for name, reason in reasons)
    assert any(name == "verbatim" and "in these words" in reason for name, reason in reasons)
    assert steps["key_facts"].kept == steps["extract"].kept == 0


@pytest.mark.parametrize("profile", ["bundled-small", "generic-base"])
def test_a_teacher_that_is_not_up_to_them_is_not_asked(tmp_path: Path, profile: str, own_pipeline: Any) -> None:
    with FakeTeacher() as server:
        _, artifact = run(tmp_path, server, leaves=(knowledge_leaf(),), profile=profile, pipeline=own_pipeline)
        asks = [ask for block in own_pipeline.content.auxiliary for ask in block.asks]
        assert not any(ask in prompt for prompt in server.prompts() for ask in asks)
    assert all(step.given == 0 for step in funnel_of(artifact) if step.task)


def test_a_summary_as_long_as_its_text_is_none() -> None:
    row = a_row(knowledge_leaf(), source="one two three four five six seven eight nine ten")
    row.answer = "one two three four five six seven eight"
    assert reason(Condensed(), row, "answer") == "The answer is 80% as long as its text."
    row.answer = "one two three"
    assert reason(Condensed(), row, "answer") is None


def test_an_extract_says_what_the_text_says_in_its_words() -> None:
    row = a_row(knowledge_leaf(), source="Orsa has a lantern of granite. Every spring its boats carry timber.")
    row.answer = "- Orsa has a lantern of granite.\n2. every spring its boats carry timber"
    assert reason(Verbatim(), row, "answer") is None
    row.answer = "Orsa has a lantern of granite.\nIts boats carry timber every spring."
    assert "Its boats carry timber every spring." in str(reason(Verbatim(), row, "answer"))
