"""Writes of releases: make one from a round's evaluation, publish, promote, roll back. Each records who and why."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from taxonomy_app.releases import creation
from taxonomy_app.releases.models import Release, ReleaseEvent
from taxonomy_app.rounds import broker
from taxonomy_app.rounds.models import Round
from taxonomy_repo.store import StoreProblem
from workers.specs import EvaluationResult, StageKind

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

_TRIES = 5
TAG_TASK = "seedbed.releases.tag"
log = logging.getLogger(__name__)


def taxonomy_contains(commit: str, ancestor: str) -> bool:
    """Whether the installation's taxonomy has ``ancestor`` in the history of ``commit``."""
    from taxonomy_app.tree.services import taxonomy_store

    return bool(taxonomy_store().contains(commit, ancestor))


def release_create(
    *,
    round: Round,  # noqa: A002  # the product's word, and the name under which callers pass it
    evaluation: EvaluationResult,
    now: datetime,
    contains: Callable[[str, str], bool] = taxonomy_contains,
) -> Release:
    """Make the release of a finished round, or return the one that it already has.

    All rows are written in one transaction, so that a release either has all its scores or does not exist; calling
    again after a crash is safe. ``contains(commit, ancestor)`` tells which submissions the round's commit holds.

    Raises:
        ValueError: the evaluation does not belong to this round.
    """
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                return _create(round, evaluation, now, contains)
        except IntegrityError:
            # Another process took the number, or made this very release; read again.
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _create(
    source: Round, evaluation: EvaluationResult, now: datetime, contains: Callable[[str, str], bool]
) -> Release:
    Round.objects.select_for_update().get(pk=source.pk)
    existing = Release.objects.filter(round=source).first()
    if existing is not None:
        return existing
    outputs = dict(source.stages.values_list("kind", "output_artifact"))
    number = (Release.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    release = Release.objects.create(
        number=number,
        name=f"Release {number}",
        round=source,
        student_artifact=outputs.get(StageKind.TUNING, ""),
        control_artifact=outputs.get(StageKind.CONTROL, ""),
        evaluation_artifact=outputs.get(StageKind.EVALUATION, ""),
        taxonomy_commit=source.taxonomy_commit,
        plan_hash=source.plan_hash,
        created_at=now,
    )
    creation.insert_scores(release, evaluation)
    creation.insert_submissions(release, contains)
    creation.insert_retentions(release)
    creation.update_scored_leaves(release)
    release.summary = creation.summarise(release)
    release.save(update_fields=["summary"])
    ReleaseEvent.objects.create(release=release, kind=ReleaseEvent.Kind.CREATED, actor=None, at=now)
    return release


def _locked(release: Release, actor: User) -> Release:
    """The release as it is now, held until the transaction ends. Raises PermissionDenied but for administrators."""
    if not actor.can_administer:
        raise PermissionDenied(_("Only administrators decide about releases."))
    # Every decision locks all releases, so that two promotions cannot both find the same current one.
    return next(row for row in Release.objects.select_for_update().order_by("pk") if row.pk == release.pk)


@transaction.atomic
def release_publish(*, release: Release, actor: User, now: datetime) -> Release:
    """Show the release to everyone who may see the site. Publishing again changes nothing.

    Raises:
        PermissionDenied: the actor is not an administrator.
    """
    found = _locked(release, actor)
    if found.state == Release.State.PUBLISHED:
        return found
    found.state = Release.State.PUBLISHED
    found.published_at = now
    found.save(update_fields=["state", "published_at"])
    ReleaseEvent.objects.create(release=found, kind=ReleaseEvent.Kind.PUBLISHED, actor=actor, at=now)
    # Not here: a page waits for this, and only the default worker writes git.
    transaction.on_commit(lambda: broker.task_send(TAG_TASK))
    return found


def releases_tag() -> list[str]:
    """Tag the taxonomy's commit of every published release that has no tag yet; the tags made.

    Calling it again makes nothing anew. One whose commit is not in the taxonomy (another repository was put in place)
    is passed over with a warning, and asked for again the next time.
    """
    from taxonomy_app.tree.services import taxonomy_store

    store = taxonomy_store()
    there, made = store.tags(), []
    for release in Release.objects.filter(state=Release.State.PUBLISHED).order_by("number"):
        name = f"release-{release.number}"
        if there.get(name) == release.taxonomy_commit:
            continue
        try:
            store.tag(name, release.taxonomy_commit, message=release.name, when=release.published_at)
        except StoreProblem as problem:
            log.warning("%s has no tag in the taxonomy: %s", release, problem)
        else:
            made.append(name)
    return made


@transaction.atomic
def release_promote(
    *, release: Release, actor: User, now: datetime, acknowledged: bool = False, reason: str = ""
) -> Release:
    """Make the release the current one: what authors are shown, and where the next round may start.

    Where the release forgets an earlier leaf, it is refused unless the administrator acknowledges that with a
    reason; the reason and the leaves forgotten stay in the history.

    Raises:
        PermissionDenied: the actor is not an administrator.
        ValidationError: not published, already current, or forgetting not acknowledged with a reason.
    """
    found = _locked(release, actor)
    if found.state != Release.State.PUBLISHED:
        raise ValidationError(
            _("%(release)s is not published yet. Publish it first.") % {"release": found}, code="not_published"
        )
    if found.is_current:
        raise ValidationError(
            _("%(release)s is the current release already.") % {"release": found}, code="already_current"
        )
    reason = reason.strip()
    forgotten = list(found.retentions.filter(verdict="forgets").values_list("path", flat=True))
    if forgotten and not acknowledged:
        raise ValidationError(
            _(
                "%(release)s forgets %(leaves)s. Say that you accept this, and why, or leave the "
                "current release in its place."
            )
            % {"release": found, "leaves": _leaves(forgotten)},
            code="forgets",
        )
    if forgotten and not reason:
        raise ValidationError(
            _("%(release)s forgets %(leaves)s. Write down why it is promoted all the same.")
            % {"release": found, "leaves": _leaves(forgotten)},
            code="reason_missing",
        )
    previous = Release.objects.filter(is_current=True).first()
    if previous is not None:
        _set_current(previous, current=False)
        ReleaseEvent.objects.create(
            release=previous,
            kind=ReleaseEvent.Kind.REPLACED,
            actor=actor,
            at=now,
            details={"by": found.number},
        )
    _set_current(found, current=True)
    details = {"previous": previous.number if previous else None, "forgotten": forgotten}
    ReleaseEvent.objects.create(
        release=found, kind=ReleaseEvent.Kind.PROMOTED, actor=actor, reason=reason, details=details, at=now
    )
    return found


@transaction.atomic
def release_rollback(*, release: Release, actor: User, now: datetime, reason: str) -> Release | None:
    """Take the current release back and restore the one that it replaced; return that one, or None if there was none.

    Raises:
        PermissionDenied: the actor is not an administrator.
        ValidationError: the release is not the current one, or no reason is given.
    """
    found = _locked(release, actor)
    reason = reason.strip()
    if not found.is_current:
        raise ValidationError(
            _("%(release)s is not the current release. Only that one can be rolled back.") % {"release": found},
            code="not_current",
        )
    if not reason:
        raise ValidationError(
            _("Write down why %(release)s is rolled back.") % {"release": found}, code="reason_missing"
        )
    previous = previous_of(found)
    _set_current(found, current=False)
    ReleaseEvent.objects.create(
        release=found,
        kind=ReleaseEvent.Kind.ROLLED_BACK,
        actor=actor,
        reason=reason,
        details={"restored": previous.number if previous else None},
        at=now,
    )
    if previous is not None:
        _set_current(previous, current=True)
        ReleaseEvent.objects.create(
            release=previous, kind=ReleaseEvent.Kind.RESTORED, actor=actor, details={"after": found.number}, at=now
        )
    return previous


def previous_of(release: Release) -> Release | None:
    """The release that this one replaced when it was last promoted, or None."""
    promotion = release.events.filter(kind=ReleaseEvent.Kind.PROMOTED).last()
    number = promotion.details.get("previous") if promotion is not None else None
    return Release.objects.filter(number=number).first() if number is not None else None


def _set_current(release: Release, *, current: bool) -> None:
    release.is_current = current
    release.save(update_fields=["is_current"])


def _leaves(paths: list[str]) -> str:
    if len(paths) == 1:
        return _("the earlier leaf %(leaf)s") % {"leaf": paths[0]}
    return _("%(count)s earlier leaves (%(leaves)s)") % {
        "count": len(paths),
        "leaves": ", ".join(paths[:3]) + (", …" if len(paths) > 3 else ""),
    }
