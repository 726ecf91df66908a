"""Writes to the rules of reviewing: make, change, remove. Each leaves a row that says who, when and what held since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from taxonomy_app.contributions.deciding import approvals_settle
from taxonomy_app.contributions.document import clean
from taxonomy_app.contributions.models import ReviewRule, ReviewRuleChange, Submission
from taxonomy_app.contributions.problems import ChangedMeanwhile, NotYours, Refused
from taxonomy_app.contributions.review_models import MOST_APPROVALS
from taxonomy_repo.leaf import check_path

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


def rule_path(text: str) -> str:
    """The place that a rule is for, as it is kept.

    Raises:
        Refused: it is no place in the taxonomy, whether a folder is there yet or not.
    """
    path = clean(text).strip().strip("/")
    found = [p for p in check_path(path) if p.severity == "error" and not (p.code == "path-depth" and "/" not in path)]
    if found:
        raise Refused(found[0].message)
    return path


def _require(*, by: User, approvals: int, reviewers: Sequence[User]) -> None:
    if not by.can_administer:
        raise NotYours
    if not 1 <= approvals <= MOST_APPROVALS:
        raise Refused(
            _("Ask for at least one approval and at most %(most_approvals)s.") % {"most_approvals": MOST_APPROVALS}
        )
    for person in reviewers:
        if not person.can_review:
            raise Refused(
                _("%(display_name)s is no reviewer. Give them the role first, on their page.")
                % {"display_name": person.display_name}
            )
    if reviewers and len(reviewers) < approvals:
        raise Refused(
            _(
                "It needs %(approvals)s approvals, but names %(count)s of the people who could give "
                "one. Name more people, or ask for fewer approvals."
            )
            % {"approvals": approvals, "count": len(reviewers)}
        )


@transaction.atomic
def rule_make(*, path: str, approvals: int, reviewers: Sequence[User], by: User, now: datetime) -> ReviewRule:
    """A rule for a place that has none yet. Without ``reviewers`` every reviewer decides there.

    Raises:
        NotYours: no administrator. Refused: no place, a number that cannot be, too few people, or there is a rule.
    """
    _require(by=by, approvals=approvals, reviewers=reviewers)
    path = rule_path(path)
    try:
        with transaction.atomic():
            rule = ReviewRule.objects.create(path=path, approvals=approvals, updated_at=now)
    except IntegrityError:
        raise Refused(_("There is a rule for %(path)s already: change that one.") % {"path": path}) from None
    rule.reviewers.set(reviewers)
    _record(rule, ReviewRuleChange.Action.MADE, by=by, now=now)
    approvals_settle(path=path, now=now)
    return rule


@transaction.atomic
def rule_change(
    *, rule: ReviewRule, version: int, approvals: int, reviewers: Sequence[User], by: User, now: datetime
) -> list[Submission]:
    """Change what a rule says. What has all its approvals by that is approved at once; those submissions.

    Raises:
        as :func:`rule_make`; ChangedMeanwhile: somebody changed it since ``version``.
    """
    _require(by=by, approvals=approvals, reviewers=reviewers)
    changed = ReviewRule.objects.filter(pk=rule.pk, version=version).update(
        approvals=approvals, version=F("version") + 1, updated_at=now
    )
    if not changed:
        raise ChangedMeanwhile(
            _("Another administrator changed or removed this rule meanwhile. Reload the page and look.")
        )
    rule.refresh_from_db()
    rule.reviewers.set(reviewers)
    _record(rule, ReviewRuleChange.Action.CHANGED, by=by, now=now)
    return approvals_settle(path=rule.path, now=now)


@transaction.atomic
def rule_remove(*, rule: ReviewRule, by: User, now: datetime) -> list[Submission]:
    """Take a rule away: what is below its place falls to the rule around it, or to every reviewer.

    Raises:
        NotYours: no administrator. ChangedMeanwhile: another administrator removed it already.
    """
    if not by.can_administer:
        raise NotYours
    found = ReviewRule.objects.select_for_update().filter(pk=rule.pk).first()
    if found is None:
        raise ChangedMeanwhile(
            _("Another administrator changed or removed this rule meanwhile. Reload the page and look.")
        )
    path = found.path
    _record(found, ReviewRuleChange.Action.REMOVED, by=by, now=now)
    found.delete()
    return approvals_settle(path=path, now=now)


def _record(rule: ReviewRule, action: str, *, by: User, now: datetime) -> None:
    names = sorted(person.username for person in rule.reviewers.all())
    ReviewRuleChange.objects.create(
        path=rule.path, action=action, approvals=rule.approvals, reviewers=names, by=by, at=now
    )
