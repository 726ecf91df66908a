"""A grade that is written down after a reason: what others do, to compare with the grade in one token."""

from __future__ import annotations

import re

from workers.generation.judges.choice import GRADES, grading_prompt
from workers.generation.rows import Row
from workers.pipelines import pipeline
from workers.pipelines.shape import PipelineFile
from workers.teacher.client import RequestRefused, TeacherClient

# Room for a reason of a few sentences and the grade.
REASON_TOKENS = 200
_GRADE = re.compile(r"grade\W{0,4}(\d+)", re.IGNORECASE)


class Written:
    """The grade, 1 to 3, that stands at the end of a written judgement."""

    name = "written"
    grades = True
    by_text = True

    def __init__(self, client: TeacherClient, content: PipelineFile | None = None) -> None:
        self.client = client
        self.content = content or pipeline().content

    async def score(self, row: Row) -> float | None:
        try:
            reply = await self.client.chat(
                (("user", grading_prompt(row, self.content, written=True)),), max_tokens=REASON_TOKENS, temperature=0.0
            )
        except RequestRefused:
            return None
        return written_grade(reply.text)


def written_grade(text: str) -> float | None:
    """The last grade that a text names; None where it names none, or one that does not exist."""
    found = _GRADE.findall(text)
    return float(found[-1]) if found and found[-1] in GRADES else None
