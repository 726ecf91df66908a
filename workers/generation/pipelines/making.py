"""One row being made: what a pipeline may use, and the check after every step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from workers.generation.asking import Style
from workers.generation.filters import Filter, LeafMemory, apply
from workers.generation.judges import Judge
from workers.generation.judges.discrimination import Discrimination
from workers.generation.rows import Dropped, Row, Step


@dataclass
class Making:
    """``verdict`` waits until the judge has been judged on this kind of leaf; None where there is no judge."""

    row: Row
    style: Style
    filters: Sequence[Filter]
    memory: LeafMemory
    judge: Judge | None = None
    verdict: Callable[[], Awaitable[Discrimination | None]] | None = None
    # Steps that the row has passed, and the one it is at: the funnel is counted from these.
    passed: list[Step] = field(default_factory=list)
    at: Step | None = None

    def begin(self, step: Step) -> None:
        self.at = step

    def check(self, step: Step) -> None:
        """Hand the row to the filters of this step.

        Raises:
            Dropped: one of them objects.
        """
        apply(self.filters, self.row, step, self.memory)
        if step == "question":
            self.memory.remember(self.row.question, self.row.context)
        self.passed.append(step)
        self.at = None

    def skip(self, step: Step) -> None:
        """Count a step as passed that has nothing to decide about this row."""
        self.passed.append(step)

    async def judged(self) -> None:
        """Ask the judge, if it was found fit to decide.

        Raises:
            Dropped: its score is below the bound.
        """
        self.begin("judge")
        found = await self.verdict() if self.judge is not None and self.verdict is not None else None
        if self.judge is not None and found is not None and found.decides and found.bound is not None:
            score = await self.judge.score(self.row)
            if score is None:
                # Not judged is not wrong; it stays visible at the sample.
                self.row.scores["not_judged"] = 1.0
            else:
                self.row.scores[self.judge.name] = score
                if score < found.bound:
                    raise Dropped(
                        f"judge_{self.judge.name}",
                        f"The judge scores it {score:.2f}; right rows score {found.bound:.2f} or more.",
                        score,
                    )
        self.passed.append("judge")
        self.at = None
