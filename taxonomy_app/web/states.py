"""How every state, role and kind is called on a page and in which tone its badge is painted."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

# value → (words, tone). Tones: good, busy, attention, bad, neutral. One value means the same in every app.
STATES: Final[dict[str, tuple[Promise, str]]] = {
    # drafts and submissions
    "draft": (lazy("Draft"), "neutral"),
    "submitted": (lazy("Waiting for review"), "busy"),
    "changes_requested": (lazy("Changes requested"), "attention"),
    "approved": (lazy("Approved"), "good"),
    "committed": (lazy("In the taxonomy"), "good"),
    "rejected": (lazy("Rejected"), "bad"),
    "withdrawn": (lazy("Withdrawn"), "neutral"),
    "conflict": (lazy("Overtaken by another change"), "attention"),
    # rounds, stages, attempts
    "planned": (lazy("Planned"), "neutral"),
    "pending": (lazy("Waiting"), "neutral"),
    "waiting": (lazy("Waiting"), "busy"),
    "queued": (lazy("In the queue"), "busy"),
    "running": (lazy("Running"), "busy"),
    "done": (lazy("Done"), "good"),
    "failed": (lazy("Failed"), "bad"),
    "cancelled": (lazy("Cancelled"), "neutral"),
    "held": (lazy("Waiting for you"), "attention"),
    "cancelling": (lazy("Stopping"), "attention"),
    "lost": (lazy("Lost"), "bad"),
    # releases
    "candidate": (lazy("Candidate"), "attention"),
    "published": (lazy("Published"), "good"),
    "current": (lazy("Current"), "good"),
    "withheld": (lazy("Withheld"), "neutral"),
    "retired": (lazy("Retired"), "neutral"),
    # people
    "contributor": (lazy("Contributor"), "neutral"),
    "reviewer": (lazy("Reviewer"), "busy"),
    "administrator": (lazy("Administrator"), "good"),
    "closed": (lazy("Account closed"), "bad"),
    # leaves
    "removed": (lazy("Removed"), "neutral"),
    # problems
    "error": (lazy("Error"), "bad"),
    "warning": (lazy("Warning"), "attention"),
    "info": (lazy("Note"), "busy"),
}
TONES: Final = ("good", "busy", "attention", "bad", "neutral")


def state_words(value: str) -> str:
    return str(STATES[value][0]) if value in STATES else value.replace("_", " ").capitalize()


def state_tone(value: str) -> str:
    return STATES[value][1] if value in STATES else "neutral"
