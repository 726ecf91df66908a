"""Judges: what a model says of a finished row, as one number. A judge is judged itself before its verdict counts.

A new judge is a class with ``name`` and ``score``, added to ``JUDGES``; a teacher's profile names the one it can be,
and the recipe whether one that grades writes down why.
"""

from __future__ import annotations

from typing import Protocol

from workers.generation.judges.choice import Choice
from workers.generation.judges.likelihood import Likelihood
from workers.generation.judges.written import Written
from workers.generation.rows import Row
from workers.pipelines.shape import PipelineFile
from workers.specs import GenerationRecipe
from workers.teacher.connection import Teacher


class Judge(Protocol):
    """Higher is better.

    ``grades``: its numbers are the grades 1 to 3 of the pipeline's prompt. ``by_text``: whether they were read from
    what it wrote, because the server tells no probabilities (or because it is a judge that writes).
    """

    name: str
    grades: bool
    by_text: bool

    async def score(self, row: Row) -> float | None:
        """The row's score; None where the judge gives none that can be read."""


JUDGES: dict[str, type[Likelihood] | type[Choice] | type[Written]] = {
    Likelihood.name: Likelihood,
    Choice.name: Choice,
    Written.name: Written,
}


def judge_of(teacher: Teacher, recipe: GenerationRecipe, content: PipelineFile) -> Judge | None:
    """The judge that the teacher's profile names; none where it lives by probabilities and the server tells none."""
    name: str | None = teacher.profile.judge
    if name == Choice.name and recipe.judge_form == "written":
        name = Written.name
    if name is None or (name == Likelihood.name and not teacher.probabilities):
        return None
    return JUDGES[name](teacher.client, content)
