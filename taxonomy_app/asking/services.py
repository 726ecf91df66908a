"""Every write to askings: begin, take in what a worker says, stop, give up silent attempts.

An attempt is the current one while its number stands on the row; a report of another one changes nothing. State
moves by conditional UPDATEs. Messages are sent when the transaction has ended; one that was lost is sent again by
:func:`askings_reap`.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError as SpecProblem

from taxonomy_app.asking.models import UNFINISHED, Asking, AskingState
from taxonomy_app.asking.questions import (
    Placed,
    Whom,
    draft_questions,
    draft_samples,
    revision_questions,
    revision_samples,
    student_now,
    teacher_now,
)
from taxonomy_app.contributions.models import Draft, Submission
from taxonomy_app.contributions.problems import NotYours, Refused
from taxonomy_app.rounds import broker
from taxonomy_app.web.numbers import grouped
from workers.asking.specs import (
    ASKING_QUEUE,
    RUN_ASKING_TASK,
    AnswersOrder,
    AskedQuestion,
    AskingKind,
    AskingReference,
    AskingReport,
    AskingSpec,
    SamplesOrder,
    asking_cancel_key,
)
from workers.planning import seed_fingerprint
from workers.specs import StageProblem

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

log = logging.getLogger(__name__)

LONGEST_QUESTION = 2_000
LOOSE_ONES_STAY = timedelta(days=7)
_SILENT = StageProblem(
    code="silent",
    message="The worker fell silent twice over this.",
    advice="Ask again later; an administrator finds the reason in the worker's log.",
)


# --- Beginning ----------------------------------------------------------------------------------


def draft_ask(*, draft: Draft, by: User, seed: int | None = None, now: datetime) -> Asking:
    """Have the student answer the draft's questions that it has not answered as they stand now.

    Args:
        seed: only this seed's (counted from 0), whether answered or not.

    Raises:
        NotYours. Refused: nothing to ask, or too much at once.
    """
    if draft.author_id != by.pk:
        raise NotYours
    return _ask(draft_questions(draft), by=by, seed=seed, now=now, draft=draft)


def submission_ask(*, submission: Submission, by: User, now: datetime) -> Asking:
    """As :func:`draft_ask`, of a submission's latest revision. Reviewers and its author may."""
    _require_insider(submission, by)
    revision = submission.revisions.get(number=submission.revision_number)
    return _ask(revision_questions(revision), by=by, seed=None, now=now, submission=submission)


def question_ask(*, question: str, by: User, now: datetime) -> Asking:
    """Have the student answer a question that belongs to nothing yet.

    Raises:
        Refused: no text, too long a text, or too much at once.
    """
    question = question.replace("\x00", "").strip()
    if not question:
        raise Refused(_("Write a question first."))
    if len(question) > LONGEST_QUESTION:
        raise Refused(
            _("This is longer than %(most)s characters. Ask something shorter.") % {"most": grouped(LONGEST_QUESTION)}
        )
    asked = AskedQuestion(key=seed_fingerprint(question), question=question)
    return _begin_answers([Placed("question", asked)], student_now(), by=by, now=now)


def _ask(placed: list[Placed], *, by: User, seed: int | None, now: datetime, **owner: Any) -> Asking:
    whom = student_now()
    if seed is not None:
        stem = f"seed_examples[{seed}]."
        placed = [one for one in placed if one.field.startswith(stem)]
    if not placed:
        raise Refused(_("There is no question to ask yet. Write one first."))
    if seed is None:
        # Those that pages look at, so that nothing counts as answered whose answer nobody is shown.
        earlier = Asking.objects.filter(kind=AskingKind.ANSWERS.value, **owner)[: Asking.MOST_LOOKED_AT]
        known = {
            (asked.key, asked.answer)
            for asking in earlier
            if asking.model_key == whom.key
            for asked in asking.read_spec.answers.questions
            if not asking.is_over or asked.key in {row["key"] for row in asking.answers}
        }
        placed = [one for one in placed if (one.asked.key, one.asked.answer) not in known]
        if not placed:
            raise Refused(_("The model has answered every question as it stands, or is about to."))
    # The same question twice is asked once.
    asked = list({one.asked.key: one for one in placed}.values())[: Asking.MOST_QUESTIONS]
    return _begin_answers(asked, whom, by=by, now=now, **owner)


def _begin_answers(placed: list[Placed], whom: Whom, *, by: User, now: datetime, **owner: Any) -> Asking:
    order = AnswersOrder(model=whom.reference, questions=tuple(one.asked for one in placed))
    owner = {**owner, "fields": [one.field for one in placed]}
    return _begin(AskingKind.ANSWERS, by=by, now=now, name=whom.name, key=whom.key, answers=order, owner=owner)


def draft_try(*, draft: Draft, by: User, now: datetime) -> Asking:
    """Have the teacher write a few samples from the draft's seeds, by the steps and filters of a round.

    Raises:
        NotYours. Refused: the seeds do not suffice, or too much at once.
    """
    if draft.author_id != by.pk:
        raise NotYours
    return _try(draft_samples(draft), by=by, now=now, draft=draft)


def submission_try(*, submission: Submission, by: User, now: datetime) -> Asking:
    """As :func:`draft_try`, of a submission's latest revision. Reviewers and its author may."""
    _require_insider(submission, by)
    revision = submission.revisions.get(number=submission.revision_number)
    return _try(revision_samples(revision), by=by, now=now, submission=submission)


def _try(order: SamplesOrder, *, by: User, now: datetime, **owner: Any) -> Asking:
    if Asking.objects.unfinished().filter(kind=AskingKind.SAMPLES.value, **owner).exists():
        raise Refused(_("The teacher is being tried already."))
    name = teacher_now().name
    key = order.teacher.model_dump_json()[:500]
    owner = {**owner, "fields": [[seed.fingerprint, seed.answer.strip()] for seed in order.leaf.seeds]}
    return _begin(AskingKind.SAMPLES, by=by, now=now, name=name[:300], key=key, samples=order, owner=owner)


def _require_insider(submission: Submission, by: User) -> None:
    if submission.author_id != by.pk and not by.can_review:
        raise NotYours


@transaction.atomic
def _begin(
    kind: AskingKind,
    *,
    by: User,
    now: datetime,
    name: str,
    key: str,
    answers: AnswersOrder | None = None,
    samples: SamplesOrder | None = None,
    owner: dict[str, Any],
) -> Asking:
    # The person's row is the lock under which the person's askings are counted.
    get_user_model().objects.select_for_update().get(pk=by.pk)
    own = Asking.objects.filter(person=by)
    if own.unfinished().count() >= Asking.MOST_UNFINISHED:
        raise Refused(_("Two of your questions are being worked on already. Wait for them, or stop one."))
    if own.filter(created_at__gt=now - Asking.HOUR).count() >= Asking.MOST_IN_AN_HOUR:
        raise Refused(
            _("You have asked %(most_in_an_hour)s times within an hour. Others want to ask too: go on later.")
            % {"most_in_an_hour": Asking.MOST_IN_AN_HOUR}
        )
    identity = uuid4()
    reference = AskingReference(asking_id=str(identity), kind=kind, attempt=1)
    spec = AskingSpec(reference=reference, answers=answers, samples=samples)
    made: Asking = Asking.objects.create(
        id=identity,
        kind=kind.value,
        person=by,
        model_name=name,
        model_key=key,
        spec=spec.model_dump(mode="json"),
        created_at=now,
        last_heard_at=now,
        **owner,
    )
    transaction.on_commit(lambda: _send(spec))
    return made


def _send(spec: AskingSpec) -> None:
    broker.job_send(
        RUN_ASKING_TASK, spec.model_dump(mode="json"), queue=ASKING_QUEUE, name=_message_name(spec.reference)
    )


def _message_name(reference: AskingReference) -> str:
    return f"{reference.asking_id}-{reference.attempt}"


# --- What workers say ---------------------------------------------------------------------------


def asking_report(*, report: dict[str, Any], now: datetime) -> bool:
    """Take in a word from a worker; False if it changed nothing (another attempt, an older word, nobody waits)."""
    try:
        said = AskingReport.model_validate(report)
    except SpecProblem:
        log.exception("A report on an asking was not understood.")
        return False
    reference = said.reference
    asking = Asking.objects.defer("spec", "result").filter(pk=reference.asking_id).first()
    if asking is None or asking.is_over or asking.attempt != reference.attempt:
        # Nobody waits for it any more (its draft was deleted, say): the worker need not go on.
        if said.event in ("started", "progress", "heartbeat"):
            broker.stop_keys([asking_cancel_key(reference)])
        return False
    changes: dict[str, Any] = {"last_heard_at": now, "sequence": said.sequence}
    if said.progress is not None:
        changes["progress"] = said.progress.model_dump(mode="json", include={"done", "total", "unit", "message"})
        if said.progress.answers:
            changes["answers"] = [given.model_dump(mode="json") for given in said.progress.answers]
    if said.event == "done":
        changes |= {"state": AskingState.DONE, "ended_at": now}
        if reference.kind is AskingKind.ANSWERS:
            changes["answers"] = said.result.get("answers", [])
        else:
            changes["result"] = said.result
    elif said.event == "cancelled":
        changes |= {"state": AskingState.CANCELLED, "ended_at": now}
    elif said.event == "failed":
        problem = said.problem or _SILENT
        if problem.code == "interrupted":
            return _again(asking, now)
        changes |= {"state": AskingState.FAILED, "ended_at": now, "problem": problem.model_dump(mode="json")}
    else:
        changes["state"] = AskingState.RUNNING
        if asking.started_at is None:
            changes["started_at"] = now
    rows = Asking.objects.filter(pk=asking.pk, attempt=reference.attempt, state__in=UNFINISHED)
    return bool(rows.filter(sequence__lt=said.sequence).update(**changes))


def _again(asking: Asking, now: datetime) -> bool:
    """Give up the current attempt and send the next one; after too many the asking has failed."""
    rows = Asking.objects.filter(pk=asking.pk, attempt=asking.attempt, state__in=UNFINISHED)
    if asking.losses >= Asking.MOST_LOSSES:
        ended = {"state": AskingState.FAILED, "ended_at": now, "problem": _SILENT.model_dump(mode="json")}
        return bool(rows.update(**ended))
    spec = asking.read_spec
    reference = spec.reference.model_copy(update={"attempt": asking.attempt + 1})
    spec = spec.model_copy(update={"reference": reference})
    with transaction.atomic():
        moved = rows.update(
            state=AskingState.QUEUED,
            attempt=reference.attempt,
            losses=asking.losses + 1,
            sequence=0,
            spec=spec.model_dump(mode="json"),
            last_heard_at=now,
            started_at=None,
        )
        if moved:
            lost = asking.read_spec.reference
            transaction.on_commit(lambda: (broker.stop_keys([asking_cancel_key(lost)]), _send(spec)))
    return bool(moved)


# --- Stopping -----------------------------------------------------------------------------------


def asking_cancel(*, asking: Asking, by: User, now: datetime) -> None:
    """Stop waiting. What was answered so far stays; a worker that is at it stops at its next look.

    Raises:
        NotYours: it is somebody else's.
    """
    if asking.person_id != by.pk:
        raise NotYours
    stopped = Asking.objects.filter(pk=asking.pk, state__in=UNFINISHED).update(
        state=AskingState.CANCELLED, ended_at=now
    )
    asking.refresh_from_db()
    if stopped:
        reference = AskingReference(asking_id=str(asking.pk), kind=AskingKind(asking.kind), attempt=asking.attempt)
        transaction.on_commit(lambda: broker.stop_keys([asking_cancel_key(reference)]))


def askings_reap(*, now: datetime) -> int:
    """Send again what is running and silent, and what waits and has no message any more. Answers how many.

    Questions that belong to nothing are forgotten after a week.
    """
    loose = Asking.objects.filter(draft=None, submission=None, created_at__lt=now - LOOSE_ONES_STAY)
    loose.filter(state__in=[AskingState.DONE, AskingState.FAILED, AskingState.CANCELLED]).delete()
    limit = now - timedelta(seconds=settings.SHARED.lost_after_seconds)
    silent = list(Asking.objects.silent_since(limit))
    waiting = broker.waiting_attempts() if any(one.state == AskingState.QUEUED for one in silent) else None
    sent = 0
    for asking in silent:
        if asking.state == AskingState.QUEUED:
            name = f"{asking.pk}-{asking.attempt}"
            if waiting is None or name in waiting.in_queue or name in waiting.taken:
                continue
        sent += _again(asking, now)
    return sent
