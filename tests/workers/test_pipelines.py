"""Pipelines as files: what is shipped, how an own one is found, and the one sentence for each thing that is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

from tests.workers.planning_data import some_plan
from workers.generation.blocks import BLOCKS
from workers.generation.filters import all_filters
from workers.pipelines import (
    DEFAULT,
    SHIPPED,
    Pipeline,
    PipelineProblem,
    pipeline,
    pipeline_files,
    pipeline_of,
    read_pipeline,
)
from workers.pipelines.shape import BLOCK_NAMES, FILTER_PARTS, OFFERED, ORDER, REQUIRED, Filters
from workers.specs import LeafKind, RoundPlan

TEXT = (SHIPPED / f"{DEFAULT}.toml").read_text(encoding="utf-8")


def problem_of(text: str, name: str = "ours") -> str:
    with pytest.raises(PipelineProblem) as caught:
        read_pipeline(text, name)
    sentence = str(caught.value)
    assert len(sentence.splitlines()) == 1
    return sentence


def changed(old: str, new: str, count: int = 1) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, count)


def test_the_shipped_pipeline_is_there_with_a_version_and_a_hash() -> None:
    found = pipeline()
    assert found.name == "lab"
    assert re.fullmatch(r"[0-9a-f]{16}", found.hash)
    assert found.pin.text == TEXT
    assert read_pipeline(found.pin.text, found.pin.name).hash == found.hash


def test_what_files_may_name_is_what_there_is_to_run() -> None:
    """The light description and the code that does it are two registries: they must not come apart."""
    assert set(BLOCK_NAMES) == set(BLOCKS)
    assert {name: rule.steps for name, rule in all_filters().items()} == FILTER_PARTS
    assert set(Filters.model_fields) == set(FILTER_PARTS)
    assert all(REQUIRED[key] <= OFFERED[key] for key in OFFERED)
    assert set().union(*ORDER.values()) == set(BLOCK_NAMES)


def test_comments_and_spacing_are_no_part_of_the_hash_and_a_word_is() -> None:
    assert read_pipeline("# ours\n\n" + TEXT, "ours").hash == pipeline().hash
    assert read_pipeline(changed("Be brief:", "Be short:"), "ours").hash != pipeline().hash


def test_a_prompt_reaches_the_teacher_without_the_line_breaks_around_it() -> None:
    for kind in ORDER:
        for _, _, _, text in pipeline().content.prompts(kind):
            assert text == text.strip()
            assert Template(text).is_valid()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('block = "lengthen"', 'block = "widen"', "knowledge, block 4 (widen): there is no block widen; there are"),
        ("most_tokens = 64", "tokens = 64", "knowledge, block 1 (question): the key 'tokens' is not known here."),
        ('title = "LAB"', 'titel = "LAB"', "at its beginning: title is missing."),
        ("[filters.grounding]", "[filters.grounds]", "at filters: the key 'grounds' is not known here."),
        ("least_support = 0.5", "least_support = 1.5", "at filters, grounding, least_support: 1.5 cannot stand here"),
        ("least_area = 0.75", "least_area = 0.3", "knowledge, block 3 (judge), least_area: 0.3 cannot stand here"),
        ("likeness = 0.7", "likeness = 0.95", "at filters, held_out, likeness: 0.95 cannot stand here"),
        (
            "[passage]\n$source",
            "[passage]\n$document",
            "block 1 (question), prompt: $document is nothing that can",
        ),
        ("asked by $persona", "asked by $question", "$question is nothing that can be put in; $domain, $examples,"),
        ('Reply with JSON: {"question": "..."}', "Reply.", "prompt: it must ask for the reply as JSON"),
        ('"held_out", ', "", "knowledge, block 1 (question), filters: held_out is missing; without it the scores"),
        ('"grounding",\n]', '"grounds",\n]', "there is no filter 'grounds'; there are"),
        ('"cut_off", "form",', '"refusal", "form",', "the filter refusal does not look at the question."),
        ('"cut_off", "form",', '"cut_off", "cut_off",', "a filter is named twice."),
        ("short = ", "brief = ", "knowledge, block 2 (answer), forms: give short and long, one text each."),
        ("[passage]\n$source", "[passage]\n$ source", "a $ stands without a name after it"),
        ("[[knowledge]]", "[[knowledge]", "The pipeline file ours.toml is no TOML:"),
    ],
)
def test_each_thing_that_is_wrong_is_one_sentence_with_file_and_place(old: str, new: str, told: str) -> None:
    sentence = problem_of(changed(old, new))
    assert sentence.startswith("The pipeline file ours.toml is ")
    assert told in sentence


def test_a_block_that_is_needed_twice_or_elsewhere_is_told() -> None:
    answer = TEXT[TEXT.index('[[freeform]]\nblock = "answer"') : TEXT.index('[[freeform]]\nblock = "judge"')]
    assert "freeform: the block answer is missing" in problem_of(TEXT.replace(answer, ""))
    assert "freeform, block 3 (answer): the block is there already." in problem_of(TEXT.replace(answer, answer * 2))
    moved = TEXT.replace('[[knowledge]]\nblock = "lengthen"', '[[freeform]]\nblock = "lengthen"')
    assert "leaves of this kind have no such block; they have question, answer and judge." in problem_of(moved)
    context = TEXT[TEXT.index('[[grounded]]\nblock = "context"') : TEXT.index('[[grounded]]\nblock = "question"')]
    late = TEXT.replace(context, "").replace("# --- Freeform", f"{context}# --- Freeform")
    assert "grounded, block 4 (context): it must come before the block question" in problem_of(late)
    missing = TEXT.replace("Question: $question\n\nAnswer from the text alone", "Answer from the text alone")
    assert "grounded, block 3 (answer), prompt: $question is missing" in problem_of(missing)


def test_an_own_pipeline_is_found_in_the_folder_of_the_setting(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(changed('title = "LAB"', 'title = "Ours"'), encoding="utf-8")
    environ = {"SEEDBED_PIPELINES": str(tmp_path)}
    assert list(pipeline_files(environ)) == ["lab", "ours"]
    assert pipeline("ours", environ).content.title == "Ours"
    with pytest.raises(PipelineProblem, match=r"no pipeline '../ours'\. Choose one of: lab, ours\."):
        pipeline("../ours", environ)
    with pytest.raises(PipelineProblem, match="no pipeline 'ours'"):
        pipeline("ours", {})


@pytest.mark.parametrize(
    ("name", "told"), [("lab.toml", "has the name of a shipped one"), ("Our own.toml", "use small letters, digits")]
)
def test_an_own_pipeline_needs_a_name_of_its_own(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / name).write_text(TEXT, encoding="utf-8")
    with pytest.raises(PipelineProblem, match=told):
        pipeline_files({"SEEDBED_PIPELINES": str(tmp_path)})


def test_a_setting_that_names_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineProblem, match=r"SEEDBED_PIPELINES names .*, which is no folder"):
        pipeline_files({"SEEDBED_PIPELINES": str(tmp_path / "none")})


def test_a_plan_holds_the_whole_pipeline_and_a_worker_needs_no_file() -> None:
    own = read_pipeline(changed('title = "LAB"', 'title = "Ours"'), "ours")
    pinned = some_plan().model_copy(update={"pipeline": own.pin})
    found = pipeline_of(RoundPlan.model_validate_json(pinned.model_dump_json()))
    assert isinstance(found, Pipeline)
    assert (found.name, found.hash) == ("ours", own.hash)
    assert pipeline_of(some_plan().model_copy(update={"pipeline": None})).name == "lab"
    other = own.pin.model_copy(update={"hash": "0" * 16})
    with pytest.raises(PipelineProblem, match="must run the same version"):
        pipeline_of(some_plan().model_copy(update={"pipeline": other}))


def test_reading_pipelines_loads_nothing_heavy() -> None:
    code = (
        "import sys, workers.pipelines as p; p.pipeline(); "
        "print([m for m in ('torch', 'aiohttp', 'numpy', 'workers.generation') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_foundational_leaves_have_no_blocks() -> None:
    assert pipeline().content.blocks(LeafKind.FOUNDATIONAL) == ()
