"""The worker's side of the process that answers: started when somebody asks, kept for the next, given up for a stage.

Loading the program and a small model takes longer than answering; so the process stays for a while. It holds a
model's memory, which is why it is ended before anything else runs in this worker (:func:`answerer_release`).
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from workers.asking.specs import AnswersOrder, GivenAnswer
from workers.environment import SharedSettings
from workers.processes import start_child
from workers.specs import StageProblem
from workers.stages import StageCancelled, StageFailure

log = logging.getLogger(__name__)

HERE = Path(__file__).resolve().parent
POLL_SECONDS = 0.05
STOP_SECONDS = 2.0
PROGRAM = "workers.asking.answering"


class Answerer:
    """One process with one model in it."""

    def __init__(self, model: Path, settings: SharedSettings) -> None:
        from workers.evaluation.scoring import scoring_environment

        self.model = model
        self.folder = Path(tempfile.mkdtemp(prefix="seedbed-answering-"))
        self.number = 0
        self.child = start_child(
            [sys.executable, "-m", PROGRAM, str(model), str(self.folder)],
            log=self.folder / "answering.log",
            environ=scoring_environment(settings),
            cwd=HERE.parent.parent,
            grace=STOP_SECONDS,
        )

    def ask(
        self, order: AnswersOrder, *, told: Callable[[list[GivenAnswer]], None], cancelled: Callable[[], bool]
    ) -> list[GivenAnswer]:
        """Have an order answered; ``told`` gets all answers so far whenever there is a new one.

        Raises:
            StageCancelled: ``cancelled()`` became true; the process is ended.
            StageFailure: it could not answer, or died.
        """
        from workers.evaluation.scoring import write_whole

        self.number += 1
        answers, end = self.folder / f"answers-{self.number}.jsonl", self.folder / f"end-{self.number}.json"
        write_whole(self.folder / f"order-{self.number}.json", order.model_dump_json())
        found: list[GivenAnswer] = []
        while True:
            over = end.exists() or self.child.wait(POLL_SECONDS) is not None
            lines = answers.read_text(encoding="utf-8").splitlines(keepends=True) if answers.exists() else []
            # The last line may be half written.
            fresh = [GivenAnswer.model_validate_json(line) for line in lines[len(found) :] if line.endswith("\n")]
            if fresh:
                found += fresh
                told(list(found))
            if over:
                break
            if cancelled():
                self.close()
                raise StageCancelled
        if not end.exists():
            raise self._died()
        try:
            problem = StageProblem.model_validate_json(end.read_text(encoding="utf-8"))
        except ValidationError:  # no problem at all
            return found
        raise StageFailure(problem)

    def _died(self) -> StageFailure:
        log.error("The answering process ended with %s:\n%s", self.child.returncode, self.child.tail(40))
        self.close()
        return StageFailure(
            StageProblem(
                code="answering",
                message="The process that asks the model ended before it had answered.",
                advice="Too little memory is the usual reason, and the worker's log says more. Ask again later.",
            )
        )

    def close(self) -> None:
        """End the process and forget what it wrote."""
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Kept:
    """The one process that this worker keeps."""

    answerer: Answerer | None = None


def answerer_for(model: Path, settings: SharedSettings) -> Answerer:
    """The process that is kept where it has this model, else a new one in its place."""
    kept = _Kept.answerer
    if kept is None or kept.model != model or not kept.child.running:
        answerer_release()
        kept = _Kept.answerer = Answerer(model, settings)
    return kept


def answerer_release() -> None:
    """End the process that is kept, if there is one: something else needs the machine."""
    if _Kept.answerer is not None:
        _Kept.answerer.close()
        _Kept.answerer = None
