"""How every state, role and kind is called on a page and in which tone its badge is painted."""

from __future__ import annotations

from typing import Final

# value → (words, tone). Tones: good, busy, attention, bad, neutral. One value means the same in every app.
STATES: Final[dict[str, tuple[str, str]]] = {
    # drafts and submissions
    "draft": ("Draft", "neutral"),
    "submitted": ("Waiting for review", "busy"),
    "changes_requested": ("Changes requested", "attention"),
    "approved": ("Approved", "good"),
    "committed": ("In the taxonomy", "good"),
    "rejected": ("Rejected", "bad"),
    "withdrawn": ("Withdrawn", "neutral"),
    "conflict": ("Overtaken by another change", "attention"),
    # rounds, stages, attempts
    "planned": ("Planned", "neutral"),
    "pending": ("Waiting", "neutral"),
    "waiting": ("Waiting", "busy"),
    "queued": ("In the queue", "busy"),
    "running": ("Running", "busy"),
    "done": ("Done", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "neutral"),
    "held": ("Waiting for you", "attention"),
    "cancelling": ("Stopping", "attention"),
    "lost": ("Lost", "bad"),
    # releases
    "candidate": ("Candidate", "attention"),
    "published": ("Published", "good"),
    "current": ("Current", "good"),
    "withheld": ("Withheld", "neutral"),
    "retired": ("Retired", "neutral"),
    # people
    "contributor": ("Contributor", "neutral"),
    "reviewer": ("Reviewer", "busy"),
    "administrator": ("Administrator", "good"),
    "closed": ("Account closed", "bad"),
    # leaves
    "removed": ("Removed", "neutral"),
    # problems
    "error": ("Error", "bad"),
    "warning": ("Warning", "attention"),
    "info": ("Note", "busy"),
}
TONES: Final = ("good", "busy", "attention", "bad", "neutral")


def state_words(value: str) -> str:
    return STATES[value][0] if value in STATES else value.replace("_", " ").capitalize()


def state_tone(value: str) -> str:
    return STATES[value][1] if value in STATES else "neutral"
