"""The contract of an asking: what the web sends, what the worker answers. Plain data; nothing here loads a model."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from workers.specs import (
    DroppedSample,
    FunnelStep,
    GenerationRecipe,
    ModelReference,
    PipelinePin,
    PlannedLeaf,
    Progress,
    Report,
    Sample,
    Strict,
    TeacherReference,
)

# Names under which the web sends an asking, and the workers report on it, through Celery.
RUN_ASKING_TASK = "seedbed.workers.run_asking"
ASKING_REPORT_TASK = "seedbed.asking.report"
ASKING_QUEUE = "asking"

# What a person is shown of an answer that does not end, in tokens.
MOST_ANSWER_TOKENS = 160
# Dropped rows that travel in a report; the funnel counts them all.
MOST_DROPPED_SHOWN = 12


class AskingKind(StrEnum):
    """Whom is asked: the student, for answers; the teacher, for samples."""

    ANSWERS = "answers"
    SAMPLES = "samples"


class AskingReference(Strict):
    """Which attempt at an asking speaks. A report of an attempt that is no longer the current one is ignored."""

    asking_id: str
    kind: AskingKind
    attempt: int = Field(ge=1)


class AskedQuestion(Strict):
    """One question to the student. ``key`` is its fingerprint (``workers.planning.seed_fingerprint``).

    ``shown`` is the text the student reads before the question, where the leaf's kind shows one; ``answer`` is what
    the contributor wrote, empty where nothing is written yet.
    """

    key: str
    question: str = Field(min_length=1)
    shown: str = ""
    answer: str = ""


class AnswersOrder(Strict):
    """Questions for one model, in the order in which they are answered."""

    model: ModelReference
    questions: tuple[AskedQuestion, ...] = Field(min_length=1)


class SamplesOrder(Strict):
    """A leaf whose seeds are given to the teacher, and how: the parts of a round's plan that generation reads.

    ``pipeline`` is that of the latest round; the shipped one where there was none.
    """

    leaf: PlannedLeaf
    pipeline: PipelinePin | None = None
    teacher: TeacherReference
    recipe: GenerationRecipe
    random_seed: int = Field(ge=0, lt=2**31)


class AskingSpec(Strict):
    """One attempt at an asking, as it is sent to a GPU worker."""

    reference: AskingReference
    answers: AnswersOrder | None = None
    samples: SamplesOrder | None = None

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        wanted = {AskingKind.ANSWERS: self.answers, AskingKind.SAMPLES: self.samples}
        if wanted[self.reference.kind] is None or (self.answers and self.samples):
            raise ValueError("an asking has exactly the order that its kind names")
        return self

    @property
    def output(self) -> str:
        """What the attempt's lease is about; no artifact of this name is made."""
        return f"asking-{self.reference.asking_id}"

    @property
    def cancel_key(self) -> str:
        return asking_cancel_key(self.reference)


def asking_cancel_key(reference: AskingReference) -> str:
    """The Redis key whose presence asks this attempt to stop."""
    return f"seedbed:cancel:asking:{reference.asking_id}:{reference.attempt}"


def listening_key(queue: str) -> str:
    """The Redis key that is there while a worker takes jobs from ``queue`` (``workers.listening``)."""
    return f"seedbed:listening:{queue}"


class AnswerReading(Strict):
    """How the student reads the contributor's answer, word by word, after the question.

    ``tokens``: of the contributor's answer. ``agreed``: at how many of them the student's likeliest next token is the
    contributor's. ``likelihood`` and ``own_likelihood``: geometric mean probability (0…1) of a token of the
    contributor's answer and of the student's own. ``surprise``: the word that it finds least likely, with the
    probability of its least likely token.
    """

    tokens: int = Field(ge=1)
    agreed: int = Field(ge=0)
    likelihood: float
    own_likelihood: float | None
    surprise: str
    surprise_probability: float


class GivenAnswer(Strict):
    """What the student answered to one question. ``ended``: by itself, not because it was cut.

    ``known`` says by which of the two rules of ``workers.asking.judging`` the student knows the answer already;
    empty where neither holds, which is no proof that it does not. ``left_out`` says why there is no answer.
    """

    key: str
    text: str = ""
    ended: bool = True
    reading: AnswerReading | None = None
    known: Literal["", "word_for_word", "says_it"] = ""
    left_out: str = ""


class AskingProgress(Progress):
    """How far an asking is, with every answer so far."""

    answers: tuple[GivenAnswer, ...] = ()


class AskingReport(Report):
    """A word from an attempt at an asking."""

    reference: AskingReference
    progress: AskingProgress | None = None


class TriedSamples(Strict):
    """The result of trying the teacher: what was kept, what was dropped (the first of them), and the whole funnel."""

    samples: tuple[Sample, ...]
    dropped: tuple[DroppedSample, ...]
    funnel: tuple[FunnelStep, ...]
    wanted: int
    requests: int
    seconds: float
    profile: str | None
