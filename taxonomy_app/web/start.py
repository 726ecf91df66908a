"""What the start page shows to whom: gathered from the apps' queries, a constant number of them."""

from __future__ import annotations

from typing import Any

from taxonomy_app.contributions.models import Draft, PendingCommit, Submission
from taxonomy_app.releases.queries import current_release, visible_releases
from taxonomy_app.rounds.models import Round
from taxonomy_app.tree.models import Leaf
from taxonomy_app.tree.queries import totals

_SHOWN = 5
# What an author is asked to do something about comes first on the page.
ASKS_AUTHOR = ("changes_requested", "conflict")


def start_page(user: Any) -> dict[str, Any]:
    """The template variables of the start page for ``user`` (anonymous for a visitor)."""
    shown: dict[str, Any] = {
        "totals": totals(),
        "release": current_release() or visible_releases(user).select_related("round").first(),
        "newest": list(Leaf.objects.present().order_by("-changed_at", "path")[:_SHOWN]),
    }
    if not user.is_authenticated:
        return shown
    own = Submission.objects.filter(author=user)
    shown |= {
        "drafts": list(Draft.objects.visible_for(user).listed()[:_SHOWN]),
        "asked": list(own.filter(state__in=ASKS_AUTHOR).order_by("-updated_at")[:_SHOWN]),
        "submissions": list(own.exclude(state__in=ASKS_AUTHOR).order_by("-updated_at")[:_SHOWN]),
    }
    if user.can_review:
        shown["queue"] = list(Submission.objects.queue().exclude(author=user)[:_SHOWN])
    if user.can_administer:
        shown["stuck"] = list(PendingCommit.objects.stuck().select_related("submission")[:_SHOWN])
        shown["rounds"] = list(Round.objects.whole().order_by("-number")[:3])
    return shown
