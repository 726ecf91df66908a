"""A grade in one token: the choice is constrained and the score is the expectation over the choices' probabilities.

The grades are the paper's (LAB, section 3.2): 1 wrong, 2 right but brief, 3 expert.
"""

from __future__ import annotations

import math

from workers.generation.prompts import prompt
from workers.generation.rows import Row, user_text
from workers.teacher.client import RequestRefused, TeacherClient

GRADES = ("1", "2", "3")


class Choice:
    """The expected grade, 1 to 3. Where a server tells no probabilities, the grade that it wrote."""

    name = "choice"
    # The paper keeps what is graded 2 or better.
    highest_bound: float | None = 2.0

    def __init__(self, client: TeacherClient) -> None:
        self.client = client
        self.by_text = False

    async def score(self, row: Row) -> float | None:
        try:
            reply = await self.client.chat(
                (("user", grading_prompt(row)),), max_tokens=1, temperature=0.0, choices=GRADES
            )
        except RequestRefused:
            return None
        if not reply.first:
            self.by_text = True
            text = reply.text.strip()
            return float(text) if text in GRADES else None
        return expected_grade(reply.first)


def grading_prompt(row: Row, *, written: bool = False) -> str:
    """What a judge is asked about a row: against its text, or against the task where there is none."""
    ending = prompt("judge_ending_written" if written else "judge_ending_token")
    if row.source:
        return prompt("chat_judge_source", source=row.source, question=row.question, answer=row.answer, ending=ending)
    task = " ".join(row.leaf.task_description.split())
    question = user_text(row.question, row.context)
    return prompt("chat_judge_task", task=task, question=question, answer=row.answer, ending=ending)


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
