"""What pages show of a submission: its revision beside what it would change, its talk, its history. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Comment, Revision, State, Submission, SubmissionEvent
from taxonomy_app.tree.models import Leaf
from taxonomy_app.tree.services import taxonomy_store
from taxonomy_repo.comparison import LeafComparison, SeedComparison, leaf_compare
from taxonomy_repo.leaf import Problem


@dataclass
class SeedShown:
    """One seed of a revision beside its earlier self, with what was said about it and what checks find."""

    comparison: SeedComparison
    comments: list[Comment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.comparison.position + 1

    @property
    def folded(self) -> bool:
        """Whether there is nothing to look at: as before, and nobody said anything about it."""
        return self.comparison.change == "same" and not self.comments and not self.problems

    @property
    def first_words(self) -> str:
        """Enough of it to know which one it is."""
        fields = self.comparison.fields
        text = " ".join(run.text for run in (fields[0].after or fields[0].before)) if fields else ""
        return text if len(text) <= 90 else f"{text[:89].rstrip()}…"


@dataclass
class RevisionShown:
    """A revision in full. ``comparison`` is ``None`` where one of the two files cannot be read as a leaf."""

    comparison: LeafComparison | None
    seeds: list[SeedShown]
    sources: list[dict[str, str]]
    sources_changed: bool
    is_new: bool
    against: str
    problems: list[Problem]
    # Texts proposed for what stands above the seeds.
    head_comments: list[Comment] = field(default_factory=list)


def revision_shown(
    submission: Submission, revision: Revision, *, against: Literal["taxonomy", "earlier"] = "taxonomy"
) -> RevisionShown:
    """The revision beside what is in the taxonomy (for a committed one: what was there before), or its predecessor."""
    qna, attribution = revision.qna.encode(), revision.attribution.encode()
    if against == "earlier" and revision.number > 1:
        earlier = submission.revisions.get(number=revision.number - 1)
        before, before_attribution, name = (
            earlier.qna,
            earlier.attribution,
            _("Revision %(number)s") % {"number": earlier.number},
        )
    else:
        before, before_attribution = _base(submission, revision)
        name = _("Before") if submission.state == State.COMMITTED else _("In the taxonomy now")
    # A submission may have been moved since this revision was signed off.
    place = submission.path if revision.number == submission.revision_number else revision.path
    problems = documents.check(qna=qna, path=place, attribution=attribution)
    comparison: LeafComparison | None = None
    try:
        after_leaf = documents.leaf_from_text(revision.qna, kind=submission.kind, path=revision.path)
        before_leaf = None
        if before:
            before_leaf = documents.leaf_from_text(before, kind=submission.kind, path=revision.path)
        comparison = leaf_compare(before_leaf, after_leaf)
    except documents.NotAForm:
        pass
    sources = documents.sources_from_bytes(attribution)
    seeds = [SeedShown(seed) for seed in comparison.seeds] if comparison else []
    head_comments = _place(seeds, submission, revision, problems)
    return RevisionShown(
        comparison=comparison,
        seeds=seeds,
        sources=sources,
        sources_changed=bool(before) and sources != documents.sources_from_bytes(before_attribution.encode()),
        is_new=not before,
        against=name,
        problems=problems,
        head_comments=head_comments,
    )


def _base(submission: Submission, revision: Revision) -> tuple[str, str]:
    """The two files that the revision is compared with; empty for a leaf that is new."""
    blob, attribution = revision.base_blob, revision.base_attribution_blob
    if submission.state not in (State.COMMITTED, State.APPROVED):
        leaves = Leaf.objects.present()
        leaf = (
            leaves.filter(leaf_id=submission.leaf_id).first()
            if submission.leaf_id
            else leaves.filter(path=submission.path).first()
        )
        if leaf is not None:
            blob, attribution = leaf.blob, leaf.attribution_blob
    store = taxonomy_store()
    read = [store.read_blob(one).decode("utf-8", "replace") if one else "" for one in (blob, attribution)]
    return read[0], read[1]


def _place(
    seeds: list[SeedShown], submission: Submission, revision: Revision, problems: list[Problem]
) -> list[Comment]:
    """Put comments on this revision's seeds, and problems of seeds, where they belong; the suggestions for what stands
    above the seeds are given back.
    """
    by_position = {seed.comparison.position: seed for seed in seeds if seed.comparison.change != "removed"}
    about_fields = Q(seed_position__isnull=False) | Q(suggestion__isnull=False)
    comments = Comment.objects.filter(about_fields, submission=submission, revision_number=revision.number)
    above = []
    for comment in comments.select_related("author", "resolution__by", "suggestion"):
        if comment.seed_position is None:
            above.append(comment)
        elif comment.seed_position in by_position:
            by_position[comment.seed_position].comments.append(comment)
    for problem in problems:
        number = (problem.field or "").removeprefix("seed_examples[").partition("]")[0]
        if number.isdecimal() and int(number) in by_position:
            by_position[int(number)].problems.append(problem)
    return above


def open_suggestions(submission: Submission) -> list[Comment]:
    """Texts that reviewers propose and the author has not answered, of whatever revision, in the order of the form."""
    found = submission.comments.filter(suggestion__isnull=False, resolution__isnull=True)
    rows = found.select_related("author", "suggestion")
    return sorted(rows, key=lambda comment: (comment.seed_position is not None, comment.seed_position or 0, comment.pk))


@dataclass(frozen=True)
class AuthorRecord:
    """What became of a person's other submissions: how many ended in each way, and the latest."""

    total: int
    approved: int
    rejected: int
    waiting: int
    latest: list[Submission]


def author_record(author: int, *, before: Submission, latest: int = 5) -> AuthorRecord:
    """Of all submissions of an account but ``before``; two queries."""
    others = Submission.objects.filter(author=author).exclude(pk=before.pk)
    counts = others.aggregate(
        total=Count("pk"),
        approved=Count("pk", filter=Q(state__in=(State.APPROVED, State.COMMITTED))),
        rejected=Count("pk", filter=Q(state=State.REJECTED)),
        waiting=Count("pk", filter=Q(state=State.SUBMITTED)),
    )
    return AuthorRecord(**counts, latest=list(others.order_by("-updated_at", "-id")[:latest]))


_ICONS = {
    "submitted": "sprout",
    "revised": "pencil",
    "claimed": "eye",
    "released": "refresh",
    "approved": "check",
    "changes_requested": "comment",
    "rejected": "cross",
    "withdrawn": "archive",
    "committed": "leaf",
    "conflict": "alert",
    "endorsed": "check",
    "moved": "arrow-right",
    "suggestion_accepted": "check",
    "suggestion_declined": "cross",
    "comment": "comment",
}


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened, or was said. ``person`` is ``None`` where the program acted."""

    at: datetime
    person: Any
    what: str
    text: str
    kind: str
    revision_number: int
    seed_number: int | None = None
    comment: Comment | None = None

    @property
    def open_comment(self) -> bool:
        """Whether it is a comment about which something may be left to do."""
        return self.comment is not None and self.comment.settled is None

    @property
    def icon(self) -> str:
        return _ICONS[self.kind]


def _said(comment: Comment) -> str:
    if comment.suggested is not None:
        return _("suggested another text (%(field)s)") % {"field": comment.suggested.label}
    if comment.seed_position is None:
        return _("commented")
    return _("commented on seed %(seed)s") % {"seed": comment.seed_position + 1}


def timeline(submission: Submission, *, insider: bool) -> list[TimelineEntry]:
    """Events and comments in order. What was said between author and reviewers is shown to them alone."""
    events = submission.events.select_related("person")
    entries = [
        TimelineEntry(
            event.at,
            event.person,
            f"{event.get_kind_display()}{', as an administrator' if event.as_administrator else ''}",
            event.reason if insider else "",
            event.kind,
            event.revision_number,
        )
        for event in events
        if insider or event.kind not in (SubmissionEvent.Kind.CLAIMED, SubmissionEvent.Kind.RELEASED)
    ]
    if insider:
        entries += [
            TimelineEntry(
                comment.at,
                comment.author,
                _said(comment),
                comment.text,
                "comment",
                comment.revision_number,
                None if comment.seed_position is None else comment.seed_position + 1,
                comment,
            )
            for comment in submission.comments.select_related("author", "resolution__by", "suggestion")
        ]
    return sorted(entries, key=lambda entry: entry.at)
