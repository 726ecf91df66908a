"""Which rule holds at a place in the tree, and what it lets a person do there. Reads only; ``rule_editing`` writes.

Rules are few and read whole, in two queries, once for each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from django.db.models import BooleanField, Case, Q, Value, When
from django.db.models.expressions import Combinable
from django.utils.translation import gettext as _

from taxonomy_app.contributions.models import ReviewRule
from taxonomy_app.contributions.problems import NotYours, Refused

if TYPE_CHECKING:
    from taxonomy_app.contributions.models import Submission
    from taxonomy_app.people.models import User

Standing = Literal["reviewer", "administrator", ""]


def _by_name(person: User) -> tuple[str, int]:
    return person.display_name.casefold(), person.pk


class Rules:
    """All rules at one moment."""

    def __init__(self, rules: Sequence[ReviewRule]) -> None:
        # The longest first: the first that is around a place is the one that holds there.
        self._rules = sorted(rules, key=lambda rule: (-len(rule.path), rule.path))
        self._people = {rule.pk: tuple(sorted(rule.reviewers.all(), key=_by_name)) for rule in self._rules}

    @classmethod
    def load(cls) -> Rules:
        return cls(list(ReviewRule.objects.prefetch_related("reviewers")))

    def at(self, path: str) -> ReviewRule | None:
        """The rule that holds at ``path``, or None."""
        return next((rule for rule in self._rules if path == rule.path or path.startswith(f"{rule.path}/")), None)

    def approvals_needed(self, path: str) -> int:
        rule = self.at(path)
        return rule.approvals if rule else 1

    def people(self, path: str) -> tuple[User, ...] | None:
        """Whom the rule at ``path`` names, of those who may review at all; None where every reviewer decides."""
        rule = self.at(path)
        named = self._people[rule.pk] if rule else ()
        # A rule all of whose people have lost the role is not one that names nobody: it must not open to everybody.
        return tuple(person for person in named if person.can_review) if named else None

    def reviews(self, user: User, path: str) -> bool:
        """Whether the person is one of those who decide at ``path``."""
        people = self.people(path)
        return user.can_review and (people is None or user in people)

    def standing(self, user: User, path: str) -> Standing:
        """As what the person may decide at ``path``: empty where they may only comment."""
        if self.reviews(user, path):
            return "reviewer"
        return "administrator" if user.can_administer else ""

    def reviewed_by(self, user: User) -> Combinable | Value:
        """A boolean expression over submissions: whether ``user`` is one of those who decide at their place."""
        if not user.can_review:
            return Value(False)
        whens = [
            When(
                Q(path=rule.path) | Q(path__startswith=f"{rule.path}/"),
                then=Value(not self._people[rule.pk] or user in self._people[rule.pk]),
            )
            for rule in self._rules
        ]
        return Case(*whens, default=Value(True), output_field=BooleanField()) if whens else Value(True)

    def told(self, path: str) -> str:
        """Who decides at ``path``, as a sentence says it."""
        people = self.people(path)
        if people is None:
            return _("every reviewer")
        return ", ".join(person.display_name for person in people) or _("nobody at the moment")


def deciding_require(submission: Submission, reviewer: User, *, step_in: bool = False) -> bool:
    """Let through who may decide on ``submission``; whether they do it as an administrator who steps in.

    Raises:
        NotYours: not a reviewer. Refused: one's own, or of a place that the person does not review.
    """
    if not reviewer.can_review:
        raise NotYours
    if submission.author_id == reviewer.pk:
        raise Refused(_("This is your own contribution: somebody else has to review it."))
    rules = Rules.load()
    standing = rules.standing(reviewer, submission.path)
    if standing == "reviewer" or (standing == "administrator" and step_in):
        return standing == "administrator"
    rule = rules.at(submission.path)
    told = _("What is below %(place)s is decided on by %(people)s.") % {
        "place": rule,
        "people": rules.told(submission.path),
    }
    if standing:
        more = _("As an administrator you may step in on the page where it is reviewed.")
    else:
        more = _("You may comment.")
    raise Refused(f"{told} {more}")
