"""The review queue's filter as its address has it: what is asked for, the rows, the one that comes next. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict

from taxonomy_app.contributions.document import clean
from taxonomy_app.contributions.models import Kind, State, Submission
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
            "sort": SORTS,
        }
        chosen = {name: value for name, value in given.items() if value and value in known.get(name, (value,))}
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
        order = SORTS[self.sort][1]
        return rows.order_by(order, "-id" if order.startswith("-") else "id")

    def decidable(self, *, user: Any, now: datetime) -> QuerySet[Submission]:
        """Those of the rows on which this reviewer could decide: waiting, not their own, claimed by nobody else."""
        rows = self.rows(user=user, now=now).filter(state=State.SUBMITTED).exclude(author=user)
        return rows.unclaimed(now=now, by=user)

    def following(self, found: Submission, *, user: Any, now: datetime) -> Submission | None:
        """The next one that this reviewer could decide; from the top when the end is reached."""
        rows = self.decidable(user=user, now=now).exclude(pk=found.pk).select_related(None)
        name = SORTS[self.sort][1].lstrip("-")
        beyond = "lt" if SORTS[self.sort][1].startswith("-") else "gt"
        value = getattr(found, name)
        later = Q(**{f"{name}__{beyond}": value}) | Q(**{name: value, f"id__{beyond}": found.pk})
        # What an index can begin from is said by itself: a choice between two conditions is looked for row by row.
        from_here = rows.filter(later, **{f"{name}__{beyond}e": value})
        return from_here.first() or rows.first()
