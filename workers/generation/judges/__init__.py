"""Judges: what a model says of a finished row, as one number. A judge is judged itself before its verdict counts.

A new judge is a class with ``name`` and ``score``, added to ``JUDGES``; a teacher's profile names the one it can be.
"""

from __future__ import annotations

from typing import Protocol

from workers.generation.judges.choice import Choice
from workers.generation.judges.likelihood import Likelihood
from workers.generation.rows import Row
from workers.teacher.connection import Teacher


class Judge(Protocol):
    """Higher is better. ``highest_bound``: no row above it is dropped; None where any number may be."""

    name: str
    highest_bound: float | None

    async def score(self, row: Row) -> float | None:
        """The row's score; None where the server does not give the probabilities that it needs."""


JUDGES: dict[str, type[Likelihood] | type[Choice]] = {Likelihood.name: Likelihood, Choice.name: Choice}


def judge_of(teacher: Teacher) -> Judge | None:
    """The judge that the teacher's profile names; none where the server tells no probabilities."""
    name = teacher.profile.judge
    return None if name is None or not teacher.probabilities else JUDGES[name](teacher.client)
