"""Where leaves may lie: the branches, what their folders may be called, which files belong to a leaf.

Reading is lenient (the public taxonomy has names with hyphens and capitals), new leaves are held to the grammar.
"""

from __future__ import annotations

import re
from typing import Literal

from taxonomy_repo.problem import Problem, Severity, excerpt

LeafKindName = Literal["knowledge", "grounded", "freeform", "foundational"]

BRANCHES = ("knowledge", "foundational_skills", "compositional_skills")
QNA_FILE = "qna.yaml"
ATTRIBUTION_FILE = "attribution.txt"
DATA_FILE = "data.jsonl"
LEAF_FILES = (QNA_FILE, ATTRIBUTION_FILE, DATA_FILE)

SEGMENT = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST_SEGMENT = 60
LONGEST_PATH = 250
MOST_SEGMENTS = 10
LEAST_SEGMENTS = 2
# Names that mean something else to git, to a file system or to this program.
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "git", "documents", "index", "new", *BRANCHES]
    + [f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)]
)


def unsafe_reason(path: str) -> str | None:
    """Why ``path`` must never be joined to anything, or None: absolute, empty parts, dots, control characters."""
    if not path:
        return "it is empty"
    if len(path) > 4096:
        return "it is far too long"
    if path.startswith("/") or "\\" in path or re.match(r"[A-Za-z]:", path):
        return "it must be relative, with / between its parts"
    if _CONTROL.search(path):
        return "it has a control character"
    for segment in path.split("/"):
        if not segment:
            return "it has an empty part"
        if segment in (".", ".."):
            return f"{segment} leads elsewhere"
        if segment.lower() == ".git" or segment.lower().startswith("git~"):
            return f"{excerpt(segment)} belongs to the repository itself"
    return None


def check_path(path: str, *, new: bool = True) -> list[Problem]:
    """What is wrong with a leaf's place, such as ``compositional_skills/writing/haiku``.

    Args:
        path: the leaf's folder, relative to the taxonomy's root.
        new: a new leaf is held to the grammar (errors); one that exists already is only told about it (warnings).
            What would be unsafe or belongs to no branch is an error either way.
    """
    reason = unsafe_reason(path)
    if reason is not None:
        return [Problem("path-unsafe", "error", f"The place {path[:200]!r} cannot be used: {reason}.", field="path")]
    segments = path.split("/")
    severity: Severity = "error" if new else "warning"
    found: list[Problem] = []

    def add(code: str, message: str, how: Severity = severity) -> None:
        found.append(Problem(code, how, message, field="path"))

    if segments[0] not in BRANCHES:
        add(
            "path-branch",
            f"{excerpt(segments[0], 60)} is no branch of the taxonomy. Choose one of {', '.join(BRANCHES)}.",
            "error" if new else "warning",
        )
    if len(segments) < LEAST_SEGMENTS:
        add("path-depth", "The leaf has no name of its own. Add at least one folder below the branch.")
    if len(segments) > MOST_SEGMENTS or len(path) > LONGEST_PATH:
        add("path-depth", f"The place is too deep. Use at most {MOST_SEGMENTS} parts and {LONGEST_PATH} characters.")
    for segment in segments[1:]:
        if segment.lower() in RESERVED or segment.lower() in LEAF_FILES:
            add("path-reserved", f"{excerpt(segment, 60)} has a meaning of its own here. Choose another name.")
        elif not SEGMENT.match(segment):
            add(
                "path-name",
                f"{excerpt(segment, 60)} is not a name for a folder. Use small letters, digits, - and _, starting with "
                "a letter or digit.",
            )
        elif len(segment) > LONGEST_SEGMENT:
            add("path-name", f"{excerpt(segment, 20)} is too long. Use at most {LONGEST_SEGMENT} characters.")
    return found
