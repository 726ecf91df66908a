"""The review queue's filter as its address has it: what is asked for, the rows, the one that comes next. Reads only."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from taxonomy_app.contributions.document import clean
from taxonomy_app.contributions.models import Approval, Kind, RevisionFinding, State, Submission
from taxonomy_app.contributions.rules import Rules
from taxonomy_app.tree.models import Branch

LONGEST_VALUE = 100

# Value → words, and what it orders by; the number makes every order total.
SORTS: dict[str, tuple[str, str]] = {
    "oldest": ("Oldest first", "submitted_at"),
    "newest": ("Newest first", "-submitted_at"),
    "place": ("By place in the tree", "path"),
}
AGES: dict[str, tuple[str, timedelta]] = {
    "day": ("More than a day", timedelta(days=1)),
    "week": ("More than a week", timedelta(weeks=1)),
    "month": ("More than a month", timedelta(days=30)),
}
CLAIMS = {"free": "By no one", "mine": "By me"}
WAITS = {"me": "Mine"}
# What the checks found when it was handed in; a code of a check may stand here as well.
CHECKS = {"clean": "Nothing found", "any": "Anything", "error": "Errors", "warning": "Warnings"}
_CODE = re.compile(r"[a-z][a-z0-9-]{1,59}\Z")


@dataclass(frozen=True)
class QueueFilter:
    """What of the submissions to show; every value is one that is known or plain words, the default left out."""

    state: str = State.SUBMITTED
    branch: str = ""
    kind: str = ""
    path: str = ""
    author: str = ""
    age: str = ""
    claim: str = ""
    waits: str = ""
    checks: str = ""
    q: str = ""
    sort: str = "oldest"

    @classmethod
    def parse(cls, parameters: QueryDict) -> QueueFilter:
        """What an address's parameters ask for; a value that is not understood asks for nothing."""
        given = {field.name: clean(parameters.get(field.name, "")).strip()[:LONGEST_VALUE] for field in fields(cls)}
        known = {
            "state": (*State.values, "all"),
            "branch": Branch.values,
            "kind": Kind.values,
            "age": AGES,
            "claim": CLAIMS,
            "waits": WAITS,
            "sort": SORTS,
        }
        chosen = {name: value for name, value in given.items() if value and value in known.get(name, (value,))}
        if not _CODE.match(chosen.get("checks", "any")):
            del chosen["checks"]
        return cls(**chosen)

    def query(self) -> str:
        """The filter as a query string, what is as always left out."""
        query = QueryDict(mutable=True)
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                query[field.name] = getattr(self, field.name)
        return query.urlencode()

    @property
    def narrows(self) -> bool:
        """Whether anything but the order differs from the queue as it always is."""
        return replace(self, sort="oldest") != QueueFilter()

    def rows(self, *, user: Any, now: datetime) -> QuerySet[Submission]:
        """The submissions in order, each with author and claimer; one joined query."""
        rows = Submission.objects.select_related("author", "claimed_by")
        if self.state != "all":
            rows = rows.filter(state=self.state)
        if self.branch:
            rows = rows.filter(branch=self.branch)
        if self.kind:
            rows = rows.filter(kind=self.kind)
        if self.path:
            folder = self.path.strip("/")
            rows = rows.filter(Q(path=folder) | Q(path__startswith=f"{folder}/"))
        if self.author:
            rows = rows.filter(Q(author__username__iexact=self.author) | Q(author__name__icontains=self.author))
        if self.age:
            rows = rows.filter(submitted_at__lt=now - AGES[self.age][1])
        if self.q:
            rows = rows.matching(self.q)
        if self.claim == "mine":
            rows = rows.filter(claimed_by=user)
        elif self.claim == "free":
            rows = rows.unclaimed(now=now)
        if self.checks:
            rows = self._checked(rows)
        if self.waits == "me":
            rows = _waiting_for(rows, user=user, now=now)
        order = SORTS[self.sort][1]
        return rows.order_by(order, "-id" if order.startswith("-") else "id")

    def _checked(self, rows: QuerySet[Submission]) -> QuerySet[Submission]:
        """Those in whose latest revision checks found what is asked for."""
        found = RevisionFinding.objects.filter(
            submission=OuterRef("pk"), revision_number=OuterRef("revision_number")
        ).order_by()
        if self.checks == "clean":
            return rows.filter(~Exists(found.exclude(severity="info")))
        if self.checks in ("error", "warning"):
            found = found.filter(severity=self.checks)
        elif self.checks != "any":
            found = found.filter(code=self.checks)
        return rows.filter(Exists(found))

    def decidable(self, *, user: Any, now: datetime, rules: Rules | None = None) -> QuerySet[Submission]:
        """Those of the rows that wait for this reviewer: handed in by somebody else, of a place that they review, not
        approved by them before, claimed by nobody else.
        """
        return _waiting_for(self.rows(user=user, now=now), user=user, now=now, rules=rules)

    def following(
        self, found: Submission, *, user: Any, now: datetime, rules: Rules | None = None
    ) -> Submission | None:
        """The next one that this reviewer could decide; from the top when the end is reached."""
        rows = self.decidable(user=user, now=now, rules=rules).exclude(pk=found.pk).select_related(None)
        name = SORTS[self.sort][1].lstrip("-")
        beyond = "lt" if SORTS[self.sort][1].startswith("-") else "gt"
        value = getattr(found, name)
        later = Q(**{f"{name}__{beyond}": value}) | Q(**{name: value, f"id__{beyond}": found.pk})
        # What an index can begin from is said by itself: a choice between two conditions is looked for row by row.
        from_here = rows.filter(later, **{f"{name}__{beyond}e": value})
        return from_here.first() or rows.first()


def _waiting_for(
    rows: QuerySet[Submission], *, user: Any, now: datetime, rules: Rules | None = None
) -> QuerySet[Submission]:
    """Of ``rows`` those on which ``user`` can decide without stepping in; the rules are read in two queries."""
    rows = rows.filter(state=State.SUBMITTED).exclude(author=user).unclaimed(now=now, by=user)  # type: ignore[attr-defined]  # a SubmissionQuerySet
    own = Approval.objects.filter(
        submission=OuterRef("pk"),
        revision__number=OuterRef("revision_number"),
        path=OuterRef("path"),
        reviewer=user,
    )
    rules = Rules.load() if rules is None else rules
    return rows.alias(reviews=rules.reviewed_by(user)).filter(~Exists(own.order_by()), reviews=True)
