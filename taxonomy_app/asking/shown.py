"""What pages show of askings: each answer at its question, the queue, the teacher's samples. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import redis
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from taxonomy_app.asking.models import UNFINISHED, Asking, AskingState
from taxonomy_app.asking.questions import (
    LEAST_SEEDS,
    SAMPLES_TRIED,
    Placed,
    draft_questions,
    revision_questions,
    student_now,
    teacher_now,
)
from taxonomy_app.contributions.editor import anchor_of
from taxonomy_app.contributions.models import Draft, Submission
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.rounds.broker import redis_connection
from taxonomy_app.rounds.models import Stage, StageState
from taxonomy_app.rounds.rows import Row
from workers.asking.specs import ASKING_QUEUE, AskingKind, GivenAnswer, TriedSamples, listening_key


def somebody_listens() -> bool:
    """Whether a worker takes askings, busy or not; False as well where Redis does not answer."""
    try:
        with redis_connection() as connection:
            return bool(connection.exists(listening_key(ASKING_QUEUE)))
    except redis.RedisError:
        return False


def percent(share: float | None) -> str:
    """A probability in words: whole per cents, small ones with one figure."""
    if share is None:
        return "–"
    value = 100 * share
    if value < 0.1:
        return _("less than 0.1 %")
    return f"{number_format(value, 1 if value < 1 else 0, use_l10n=True)} %"


@dataclass(frozen=True)
class ShownAnswer:
    """What the page shows below one answer of the contributor's.

    ``stale``: the question, or only the contributor's answer, has changed since; ``then`` is the question as asked.
    """

    field: str
    given: GivenAnswer | None = None
    model: str = ""
    stale: Literal["", "question", "answer"] = ""
    then: str = ""
    waiting: bool = False

    @property
    def id(self) -> str:
        return "model-" + anchor_of(self.field)

    @property
    def seed_number(self) -> int:
        """The seed's number on pages, from 1."""
        number = self.field.removeprefix("seed_examples[").partition("]")[0]
        return int(number) + 1 if number.isdecimal() else 1

    @property
    def known(self) -> bool:
        return bool(self.given and self.given.known and not self.stale)

    @property
    def how(self) -> str:
        """The measured sentence behind what is said of the answer."""
        given = self.given
        if given is None or self.stale:
            return ""
        reading = given.reading
        if given.known == "word_for_word" and reading:
            return _(
                "Reading the answer here, it would have chosen the same next word at %(agreed)s of %(tokens)s "
                "places, and found none of them unlikely."
            ) % {"agreed": reading.agreed, "tokens": reading.tokens}
        if given.known == "says_it":
            return "Its own answer holds the one written here, word after word."
        if reading is None:
            return ""
        told = {
            "likelihood": percent(reading.likelihood),
            "own": percent(reading.own_likelihood),
            "word": reading.surprise,
            "probability": percent(reading.surprise_probability),
        }
        if reading.own_likelihood is None:
            average = _("A word of the answer here is %(likelihood)s likely to it on average.") % told
        else:
            average = _("A word of the answer here is %(likelihood)s likely to it on average, its own %(own)s.") % told
        return f"{average} {_('It is most surprised by “%(word)s”: %(probability)s.') % told}"


@dataclass(frozen=True)
class Tried:
    """The samples that the teacher wrote, and the rows that a filter dropped, as pages of rounds show them."""

    asking: Asking
    result: TriedSamples
    stale: bool

    @property
    def kept(self) -> list[Row]:
        return [Row(sample) for sample in self.result.samples]

    @property
    def dropped(self) -> list[Row]:
        return [Row(one.sample, filter=one.filter, reason=one.reason, score=one.score) for one in self.result.dropped]

    @property
    def dropped_by(self) -> list[tuple[str, int]]:
        """How many rows each filter dropped, the most first."""
        counts: dict[str, int] = {}
        for step in self.result.funnel:
            for name, count in step.dropped.items():
                counts[name] = counts.get(name, 0) + count
        return sorted(counts.items(), key=lambda one: (-one[1], one[0]))

    @property
    def dropped_total(self) -> int:
        return sum(count for _, count in self.dropped_by)


@dataclass
class Panel:
    """Everything that is shown of the askings of a draft or a submission."""

    student: str
    teacher: str
    listening: bool
    answers: list[ShownAnswer] = field(default_factory=list)
    asking: Asking | None = None
    trying: Asking | None = None
    tried: Tried | None = None
    ahead: int = 0
    busy_with: str = ""
    samples: int = SAMPLES_TRIED
    least_seeds: int = LEAST_SEEDS

    @cached_property
    def by_field(self) -> dict[str, ShownAnswer]:
        return {one.field: one for one in self.answers}

    @property
    def known(self) -> int:
        return sum(one.known for one in self.answers)

    @property
    def answered(self) -> int:
        return sum(one.given is not None and not one.stale for one in self.answers)

    @property
    def under_way(self) -> list[Asking]:
        return [one for one in (self.asking, self.trying) if one is not None and not one.is_over]


def draft_panel(draft: Draft) -> Panel:
    """The askings of a draft beside its questions as they stand."""
    try:
        placed = draft_questions(draft)
    except Refused:
        placed = []
    return _panel(*_askings_of(draft), placed)


def submission_panel(submission: Submission) -> Panel:
    """The askings of a submission, those made while it was written included, beside its latest revision."""
    revision = submission.revisions.get(number=submission.revision_number)
    try:
        placed = revision_questions(revision)
    except Refused:
        placed = []
    return _panel(*_askings_of(submission), placed)


def question_panel(asking: Asking) -> Panel:
    """The asking of a question that belongs to nothing."""
    questions = asking.read_spec.answers.questions if asking.read_spec.answers else ()
    return _panel([asking], [], [Placed("question", asked) for asked in questions])


def _askings_of(owner: Draft | Submission) -> tuple[list[Asking], list[Asking]]:
    """The latest askings of the model; and of the teacher the latest and the latest that is done.

    What the teacher was sent stays in the database: it may hold a whole document.
    """
    asked = owner.askings.filter(kind=AskingKind.ANSWERS.value)[: Asking.MOST_LOOKED_AT]
    tried = owner.askings.filter(kind=AskingKind.SAMPLES.value).defer("spec")
    found = [*tried.defer("spec", "result")[:1], *tried.filter(state=AskingState.DONE)[:1]]
    return list(asked), found


def _panel(asked: list[Asking], tried: list[Asking], placed: list[Placed]) -> Panel:
    panel = Panel(student=student_now().name, teacher=teacher_now().name, listening=somebody_listens())
    panel.asking = next(iter(asked), None)
    panel.trying = next(iter(tried), None)
    present = {one.asked.key for one in placed}
    # Read once each, not once for every question.
    looked_at = [(asking, {answer.key: answer for answer in asking.given}) for asking in asked]
    panel.answers = [_answer(one, looked_at, present) for one in placed]
    finished = next((one for one in tried if one.state == AskingState.DONE), None)
    if finished is not None and finished.tried is not None:
        now = {(one.asked.key, one.asked.answer) for one in placed}
        then = {(key, answer) for key, answer in finished.fields}
        panel.tried = Tried(finished, finished.tried, stale=bool(placed) and not then <= now)
    if panel.under_way:
        first = min(one.created_at for one in panel.under_way)
        panel.ahead = Asking.objects.filter(state__in=UNFINISHED, created_at__lt=first).count()
        stage = Stage.objects.filter(state=StageState.RUNNING).select_related("round").first()
        panel.busy_with = f"{stage.round}" if stage is not None else ""
    return panel


def _answer(placed: Placed, askings: list[tuple[Asking, dict[str, GivenAnswer]]], present: set[str]) -> ShownAnswer:
    """What is known of one question: its answer, an answer to what stood there before, or that it is being asked.

    ``askings`` with the answers of each by the question's key; ``present`` are the keys of all questions there are now.
    """
    asked = placed.asked
    before: ShownAnswer | None = None
    for asking, given in askings:
        order = asking.read_spec.answers
        for field_name, question in zip(asking.fields, order.questions if order else (), strict=True):
            found = given.get(question.key)
            if question.key == asked.key:
                if found is not None:
                    stale: Literal["", "answer"] = "" if question.answer == asked.answer else "answer"
                    return ShownAnswer(placed.field, found, asking.model_name, stale, question.question)
                if not asking.is_over:
                    return ShownAnswer(placed.field, waiting=True)
            elif found is not None and before is None and field_name == placed.field and question.key not in present:
                before = ShownAnswer(placed.field, found, asking.model_name, "question", question.question)
    return before or ShownAnswer(placed.field)
