"""The documentation of the checks, written from the checks themselves: ``python -m taxonomy_repo.checks.pages``.

``docs/checks.md`` is what this writes; a test holds that it is up to date, so that no page can say something else than
the check does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from taxonomy_repo.checks.across import ACROSS, AcrossCheck
from taxonomy_repo.checks.registry import (
    GOOD_ATTRIBUTION,
    GOOD_KNOWLEDGE,
    GOOD_PATH,
    GOOD_SKILL,
    KNOWLEDGE_PATH,
    REGISTRY,
    Check,
    Example,
    Subject,
    load_checks,
    run_checks,
)

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "checks.md"
_SHOWN_AROUND, _LONGEST_LINE = 1, 100
_HEAD = """\
# Checks

What `python -m taxonomy_repo check` and the editor find in a leaf, by the code that stands behind each message. This
page is written by `python -m taxonomy_repo.checks.pages` from the checks themselves.

- **error**: the leaf is not valid. The public tools, told to lint strictly, refuse it too; or it could do harm.
- **warning**: it is valid, and someone should look at it.
- **note** (`info`): good to know.

`--fix` mends the commonest faults of form: see [mending](#mending).
"""
_MENDING = """\
## Mending

`python -m taxonomy_repo check --fix PATH...` changes files in place, and says each thing it did. It mends

- text below a `|` or `>` that is not indented, or stands behind the sign on the same line;
- text with a colon, or with a sign at its start that YAML keeps for itself (`@`, `*`, `%`, `!` …), without quotes; an
  apostrophe inside single quotes; a backslash inside double quotes; a key without a space behind its colon;
- values that YAML reads as a truth value, a number or a date where a text belongs;
- tabs between words, spaces at the ends of lines, blank lines at both ends of the file, a missing last line end.

No letter is added or taken away, and what cannot be mended safely stays as it is.
"""


def page() -> str:
    """The whole page, Markdown."""
    load_checks()
    every: list[Check | AcrossCheck] = [*REGISTRY.values(), *ACROSS.values()]
    checks = sorted(every, key=lambda check: check.code)
    lines = [_HEAD, "| code | severity |", "|---|---|"]
    lines += [f"| [{check.code}](#{check.code}) | {_severity(check.severity)} |" for check in checks]
    lines += ["", _MENDING]
    for check in checks:
        lines += [f"## {check.code}", "", f"{_severity(check.severity).capitalize()}. {check.explanation}", ""]
        if isinstance(check, Check):
            lines += _example(check)
        else:
            lines += [f"Example: {check.example}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _severity(severity: str) -> str:
    return "note" if severity == "info" else severity


def _example(check: Check) -> Iterator[str]:
    """What differs from a good leaf in the check's example, and what is said of it."""
    example = check.example
    if example is None:
        return
    attribution = None if example.attribution is None else example.attribution.encode()
    subject = Subject.of(example.data, example.path, attribution, example.schema_version)
    problem = next(problem for problem in run_checks(subject) if problem.code == check.code)
    about, excerpt = _differing(example)
    if excerpt:
        yield from (f"Example, {about}:", "", "```yaml", *excerpt, "```", "")
    else:
        yield from (f"Example: {about}.", "")
    yield f"> {problem.message}"
    yield ""


def _differing(example: Example) -> tuple[str, list[str]]:
    if example.attribution is None:
        return "a leaf without an attribution.txt", []
    if example.attribution != GOOD_ATTRIBUTION:
        return "in attribution.txt", _around(GOOD_ATTRIBUTION, example.attribution)
    if example.schema_version is not None:
        return f"a leaf of another version, checked with `--schema-version {example.schema_version}`", []
    if example.path not in (GOOD_PATH, KNOWLEDGE_PATH):
        return f"a leaf in `{example.path}`", []
    try:
        text = example.data.decode("utf-8")
    except UnicodeDecodeError:
        return "a file in the encoding Latin-1", []
    return "in qna.yaml", _around(GOOD_KNOWLEDGE if example.path == KNOWLEDGE_PATH else GOOD_SKILL, text)


def _around(good: str, text: str) -> list[str]:
    """The lines of ``text`` that differ from ``good``, with some around them; signs that are not seen made visible."""
    lines, usual = text.split("\n"), good.split("\n")
    start = next((at for at, (one, other) in enumerate(zip(lines, usual, strict=False)) if one != other), 0)
    end = len(lines)
    while end > start + 1 and len(usual) - (len(lines) - end) > start and lines[end - 1] == usual[end - 1 - len(lines)]:
        end -= 1
    shown = lines[max(0, start - _SHOWN_AROUND) : min(end + _SHOWN_AROUND, start + 12)]
    return [_visible(line) for line in shown] or [_visible(text)]


def _visible(line: str) -> str:
    cut = line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"
    kept = cut.rstrip(" ")
    marked = kept + "·" * (len(cut) - len(kept)) if len(cut) <= _LONGEST_LINE else cut
    return "".join("→" if c == "\t" else c if c.isprintable() else f"<U+{ord(c):04X}>" for c in marked)


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE.relative_to(PAGE.parent.parent)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
