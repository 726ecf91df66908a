"""Sentences about a submission's state, for its author and for a reviewer who came second. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from taxonomy_app.contributions.models import State, Submission

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

# What happens next, for the author; 1-product.md: "follow what becomes of it".
NEXT_FOR_AUTHOR = {
    State.SUBMITTED: lazy("A reviewer will read it. You can still change it or take it back."),
    State.CHANGES_REQUESTED: lazy("A reviewer asks for changes. Read the reason, change it and send it again."),
    State.APPROVED: lazy("Approved. It is being put into the taxonomy, which takes a moment."),
    State.COMMITTED: lazy("It is in the taxonomy. New rounds of training learn from it."),
    State.REJECTED: lazy("It was not taken. The reason is below; you are welcome to start anew."),
    State.WITHDRAWN: lazy("You took it back. What you wrote is still here to read."),
    State.CONFLICT: lazy(
        "Somebody changed the same seeds before yours got in. Compare both versions and send it again."
    ),
}


def next_for_author(submission: Submission) -> str:
    return NEXT_FOR_AUTHOR[State(submission.state)]


def errors_left(count: int) -> str:
    return ngettext(
        "One problem is left to mend before this can be submitted.",
        "%(count)s problems are left to mend before this can be submitted.",
        count,
    ) % {"count": count}


def too_late(submission: Submission) -> str:
    """Why the author can no longer change or withdraw."""
    return {
        State.APPROVED: _("It has been approved and is on its way into the taxonomy, so it can no longer be changed."),
        State.COMMITTED: _("It is in the taxonomy. To change it, improve the leaf there."),
        State.REJECTED: _("It was rejected, so it can no longer be changed. You can start a new draft."),
        State.WITHDRAWN: _("It was withdrawn, so it can no longer be changed. You can start a new draft."),
    }[State(submission.state)]


def overtaken(submission: Submission, *, by: User | None, now: datetime) -> str:
    """Who was first, and with what; for the person whose action changed nothing."""
    if by is not None and submission.state == State.SUBMITTED and submission.claimed_by_other(by, now=now):
        holder = submission.claimed_by.display_name
        return _("%(holder)s is reviewing this at the moment. Take it over first if you want to decide.") % {
            "holder": holder
        }
    last = submission.events.select_related("person").last()
    if last is None or submission.state == State.SUBMITTED:
        if last is not None and last.kind == "revised":
            return _("Its author has sent a newer revision, so nothing was changed. Reload the page to see it.")
        if last is not None and last.kind == "moved":
            return _("It was moved to %(path)s meanwhile, so nothing was changed. Look at it there first.") % {
                "path": submission.path
            }
        return _("It is no longer as this page showed it, so nothing was changed. Reload the page.")
    if last.person is None:
        return _("%(what)s, so nothing was changed.") % {"what": last.get_kind_display()}
    who = last.person.display_name
    return _("%(who)s %(what)s at %(time)s, so nothing was changed.") % {
        "who": who,
        "what": last.get_kind_display(),
        "time": date_format(timezone.localtime(last.at), "H:i T"),
    }
