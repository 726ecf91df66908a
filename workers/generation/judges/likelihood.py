"""How much a row's document raises its answer's probability: what even a weak model can tell."""

from __future__ import annotations

from workers.generation.rows import Row
from workers.pipelines.shape import PipelineFile
from workers.teacher.client import RequestRefused, TeacherClient


class Likelihood:
    """Mean over the answer's tokens of log p(token | document, question) - log p(token | question), in nats.

    Where there is no document, the question is what raises: log p(token | task, question) - log p(token | task).
    """

    name = "likelihood"
    grades = False
    by_text = False

    def __init__(self, client: TeacherClient, _content: PipelineFile | None = None) -> None:
        self.client = client

    async def score(self, row: Row) -> float | None:
        asked = f"Question: {_line(row.question)}\n"
        if row.source:
            with_it, without = f"{_line(row.source)}\n\n{asked}", asked
        else:
            task = f"{_line(row.leaf.task_description)}\n\n"
            with_it, without = task + asked, task
        answer = f"Answer: {_line(row.answer)}"
        raised, plain = await self._mean(with_it, answer), await self._mean(without, answer)
        return None if raised is None or plain is None else raised - plain

    async def _mean(self, before: str, answer: str) -> float | None:
        text = before + answer
        try:
            values = await self.client.text_logprobs(text, len(before) + len("Answer:"))
        except RequestRefused:
            return None
        return sum(values) / len(values) if values else None


def _line(text: str) -> str:
    return " ".join(text.split())
