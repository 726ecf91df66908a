"""What the teacher itself found unlikely: in a weak model's words that is mostly nonsense."""

from __future__ import annotations

from workers.generation.filters import LeafMemory
from workers.generation.rows import Dropped, Row
from workers.pipelines.shape import Step


class Unsure:
    """The mean log-probability of the reply's tokens is below the bound of the teacher's profile.

    It costs nothing: the server knows these numbers when it writes. On an invented document, questions of a 135M model
    above -0.9 nats a token were mostly sensible, those below -1.2 hardly ever.
    """

    name = "unsure"
    steps: frozenset[Step] = frozenset({"question", "answer"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if row.confidence is None or row.least_confidence is None:
            return
        row.scores[f"{step}_confidence"] = row.confidence
        if row.confidence < row.least_confidence:
            raise Dropped(
                self.name,
                f"The teacher was unsure of its {step}: {row.confidence:.2f} nats a token, "
                f"{row.least_confidence:.2f} or more is wanted.",
                row.confidence,
            )
