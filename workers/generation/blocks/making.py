"""One row being made: what a block may use, and the check after every step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workers.generation.asking import Style
from workers.generation.filters import Filter, LeafMemory, apply
from workers.generation.judges import Judge
from workers.generation.judges.discrimination import Discrimination
from workers.generation.rows import Row
from workers.pipelines.shape import Step


@dataclass
class Making:
    """``verdict`` waits until the judge has been judged on this kind of leaf; None where there is no judge.

    ``filters`` are those of each step. ``quoted``: the answer stands in the document word for word.
    """

    row: Row
    style: Style
    filters: Mapping[Step, Sequence[Filter]]
    memory: LeafMemory
    judge: Judge | None = None
    verdict: Callable[[], Awaitable[Discrimination | None]] | None = None
    quoted: bool = False
    # Steps that the row has passed, and the one it is at: the funnel is counted from these.
    passed: list[Step] = field(default_factory=list)
    at: Step | None = None

    def begin(self, step: Step) -> None:
        self.at = step

    def check(self, step: Step, part: Step | None = None) -> None:
        """Hand the row to the filters of this step.

        Args:
            part: what of the row they look at, where that is not called as the step is.

        Raises:
            Dropped: one of them objects.
        """
        apply(self.filters.get(step, ()), self.row, part or step, self.memory)
        if step == "question":
            self.memory.remember(self.row.question, self.row.context)
        self.passed.append(step)
        self.at = None

    def skip(self, step: Step) -> None:
        """Count a step as passed that has nothing to decide about this row."""
        self.passed.append(step)
