"""A grade in one token: the choice is constrained and the score is the expectation over the choices' probabilities.

The grades are the paper's (LAB, section 3.2): 1 wrong, 2 right but brief, 3 expert; their wording is the pipeline's.
"""

from __future__ import annotations

import math
from string import Template

from workers.generation.rows import Row
from workers.pipelines import pipeline
from workers.pipelines.shape import JudgeBlock, PipelineFile
from workers.specs import LeafKind
from workers.teacher.client import RequestRefused, TeacherClient

GRADES = ("1", "2", "3")


class Choice:
    """The expected grade, 1 to 3. Where a server tells no probabilities, the grade that it wrote."""

    name = "choice"
    grades = True

    def __init__(self, client: TeacherClient, content: PipelineFile | None = None) -> None:
        self.client = client
        self.content = content or pipeline().content
        self.by_text = False

    async def score(self, row: Row) -> float | None:
        try:
            reply = await self.client.chat(
                (("user", grading_prompt(row, self.content)),), max_tokens=1, temperature=0.0, choices=GRADES
            )
        except RequestRefused:
            return None
        if not reply.first:
            self.by_text = True
            text = reply.text.strip()
            return float(text) if text in GRADES else None
        return expected_grade(reply.first)


def judge_block(content: PipelineFile, kind: LeafKind) -> JudgeBlock:
    """The judge's block of a kind of leaf; the shipped pipeline's where there is none."""
    blocks = (*content.blocks(kind), *pipeline().content.blocks(kind))
    return next(block for block in blocks if isinstance(block, JudgeBlock))


def grading_prompt(row: Row, content: PipelineFile, *, written: bool = False) -> str:
    """What a judge is asked about a row: against its text, or against the task where there is none."""
    block = judge_block(content, row.leaf.kind)
    return Template(block.prompt).substitute(
        task=" ".join(row.leaf.task_description.split()),
        source=row.source,
        question=row.question,
        answer=row.answer,
        ending=block.written_ending if written else block.token_ending,
    )


def expected_grade(first: dict[str, float]) -> float | None:
    """The mean grade under the first token's log-probabilities, over the grades alone; None where none is there.

    The grade may be written with white space around it; such tokens count together.
    """
    weights = dict.fromkeys(GRADES, 0.0)
    for token, logprob in first.items():
        if token.strip() in weights:
            weights[token.strip()] += math.exp(logprob)
    total = sum(weights.values())
    return sum(int(grade) * weight for grade, weight in weights.items()) / total if total > 0 else None
