"""The judge's verdict on a whole row, if the judge was found fit to decide."""

from __future__ import annotations

from workers.generation.blocks.making import Making
from workers.generation.rows import Dropped
from workers.pipelines.shape import JudgeBlock


async def judge(making: Making, _block: JudgeBlock) -> None:
    """Ask the judge; what it says of a row that it does not drop stays visible at the sample.

    Raises:
        Dropped: its score is below the bound.
    """
    if making.quoted:
        making.skip("judge")
        return
    row, judge_ = making.row, making.judge
    making.begin("judge")
    found = await making.verdict() if judge_ is not None and making.verdict is not None else None
    if judge_ is not None and found is not None and found.decides and found.bound is not None:
        score = await judge_.score(row)
        if score is None:
            # Not judged is not wrong; it stays visible at the sample.
            row.scores["not_judged"] = 1.0
        else:
            row.scores[judge_.name] = score
            if score < found.bound:
                raise Dropped(
                    f"judge_{judge_.name}",
                    f"The judge scores it {score:.2f}; right rows score {found.bound:.2f} or more.",
                    score,
                )
    making.passed.append("judge")
    making.at = None
