"""Recipes: what is shipped, and what is said about a wrong one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from workers.recipes import RecipeProblem, recipe, recipe_names
from workers.specs import PhaseRecipe


def test_the_shipped_recipes_are_there_the_quick_one_first() -> None:
    assert recipe_names() == ("quick", "lab", "merlinite", "stacked")
    for name in recipe_names():
        assert recipe(name).name == name
        assert recipe(name).tuning.phases


@pytest.mark.parametrize(
    ("name", "rate", "warmup", "epochs"), [("lab", 2e-5, 385, [5, 7, 7]), ("merlinite", 1e-6, 800, [4, 4, 7])]
)
def test_the_published_recipes_have_the_papers_numbers(
    name: str, rate: float, warmup: int, epochs: list[float]
) -> None:
    phases = recipe(name).tuning.phases
    assert [phase.name for phase in phases] == ["knowledge_short", "knowledge_long", "skills"]
    assert [phase.epochs for phase in phases] == epochs
    assert {(phase.learning_rate, phase.batch_samples, phase.warmup_steps) for phase in phases} == {
        (rate, 3840, warmup)
    }


def test_the_first_knowledge_phase_replays_nothing_of_the_round_and_later_ones_do() -> None:
    for name in ("quick", "lab", "merlinite"):
        first, *later = recipe(name).tuning.phases
        assert first.replay == 0
        assert all(phase.replay > 0 for phase in later)


def test_the_quick_recipe_tunes_a_control_arm_in_float32() -> None:
    tuning = recipe("quick").tuning
    assert tuning.control == "without_replay"
    assert tuning.compute_dtype == "float32"


@pytest.mark.parametrize("name", ["", "nothing", "../recipes/quick", "quick.toml"])
def test_an_unknown_name_is_told_with_the_names_there_are(name: str) -> None:
    with pytest.raises(RecipeProblem, match="quick, lab, merlinite, stacked"):
        recipe(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = ", "cannot be read"),
        ('title = "x"\ndescription = "y"', "wrong at generation"),
        ('name = "other"', "a name of its own"),
        (
            'title="x"\ndescription="y"\nevaluation={}\ngeneration={}\n[tuning]\n'
            'phases=[{name="skills", epochs=1, learning_rate=1e-4, batch_tokens=100, batch_samples=5}]',
            "one of the two",
        ),
        (
            'title="x"\ndescription="y"\nevaluation={}\ngeneration={}\n[tuning]\nphases=[]\nlearning_rate=1',
            "tuning.learning_rate",
        ),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeProblem, match=told) as problem:
        recipe("mine", tmp_path)
    assert "mine.toml" in str(problem.value)


def test_replay_that_leaves_no_room_for_the_phases_own_samples_is_refused() -> None:
    with pytest.raises(ValidationError, match="leave room"):
        PhaseRecipe(name="skills", epochs=1, learning_rate=1e-4, batch_tokens=100, replay=0.6, general_replay=0.4)


def test_recipes_load_no_heavy_library() -> None:
    code = "import sys, workers.recipes as r; r.recipe('quick'); print({'torch', 'transformers'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
