"""What ``taxonomy_repo`` and ``workers`` say in English, in the reader's language: they know nothing of Django.

A name or a sentence is found by its English form, also where it has been kept in the database; what is not known stays
as it is. A sentence's varying parts stand in it as ``%(name)s``.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils import translation
from django.utils.translation import gettext_noop as mark

from taxonomy_app.web.check_sentences import CHECKS, FIELDS
from taxonomy_app.web.languages import mid_sentence as inside

# The labels of ``taxonomy_repo.comparison``; those of pairs are numbered.
LABELS = (
    mark("Text"),
    mark("Question"),
    mark("Answer"),
    mark("Task"),
    mark("Domain"),
    mark("Outline of the document"),
    mark("Document"),
    mark("Title"),
    mark("Link"),
    mark("Revision"),
    mark("Licence"),
    mark("Made by"),
)

# Codes of the workers as words: filters and judges, phases, kinds of leaves, figures beside a stage's bar.
CODES = {
    "benchmark": mark("Benchmark"),
    "choice": mark("Choice"),
    "copied_prompt": mark("Copied prompt"),
    "cut_off": mark("Cut off"),
    "duplicate": mark("Duplicate"),
    "form": mark("Form"),
    "grounding": mark("Grounding"),
    "held_out": mark("Held out"),
    "judge": mark("Judge"),
    "language": mark("Language"),
    "length": mark("Length"),
    "likelihood": mark("Likelihood"),
    "refusal": mark("Refusal"),
    "repetition": mark("Repetition"),
    "unsure": mark("Unsure"),
    "written": mark("Written"),
    "knowledge": mark("Knowledge"),
    "grounded": mark("Grounded"),
    "freeform": mark("Freeform"),
    "foundational": mark("Foundational"),
    "skills": mark("Skills"),
    "stacked": mark("Stacked"),
    "knowledge_short": mark("Knowledge short"),
    "knowledge_long": mark("Knowledge long"),
    "requests": mark("Requests"),
    "tokens": mark("Tokens"),
    "kept": mark("Kept"),
    "dropped": mark("Dropped"),
    "loss": mark("Loss"),
    "seconds_left": mark("Seconds left"),
}
# Parts of sentences that are numbers.
_NUMBERS = frozenset({"count", "least", "most", "number", "other", "seed", "words"})
# What a stage counts.
UNITS = (mark("samples"), mark("items"), mark("tokens"), mark("arms"))

# Sentences of the workers and of rounds that people meet most, kept with a round as they were said.
SENTENCES = (
    mark("From the speed of earlier rounds on this installation."),
    mark("From the speed of earlier rounds here where there are any, else of the small model on two CPU cores."),
    mark("No round has run here yet: figures are those of the small model on two CPU cores, and may be far off."),
    mark("The published phases and numbers for a 13-billion-parameter student; needs GPUs."),
    mark("The published phases and numbers for a 7-billion-parameter student; needs GPUs."),
    mark("Three short phases on a small model: a release in minutes on two processor cores."),
    mark(
        "Everything in one phase at a constant learning rate: the arm to compare the phases with; needs a GPU.",
    ),
    mark("Quick"),
    mark("Stacked"),
    mark("LAB, as Labradorite-13b"),
    mark("LAB, as Merlinite-7b"),
    mark("the current release, %(release)s"),
    mark("the student before any teaching, %(model)s: there is no release yet"),
    mark("Round %(number)s"),
    mark("Preview of %(round)s"),
    mark("The worker fell silent twice over this."),
    mark("Ask again later; an administrator finds the reason in the worker's log."),
    mark("Started."),
    mark("Planned with %(count)s leaves."),
    mark("The plan is written."),
    mark("The round was started."),
    mark("Tried again."),
    mark("Tried again by an administrator."),
    mark("Asked to stop."),
    mark("Stopped as asked."),
    mark("Cancelled before anything ran."),
    mark("The preview is made."),
    mark("The release is made."),
    mark("An earlier round made the same from the same inputs."),
    mark("Another round is making the same data."),
    mark("The samples wait for an administrator to look at them."),
    mark("The samples were looked at."),
    mark("The worker fell silent."),
    mark("Mixing the phases"),
    mark("Loading the student"),
    mark("Keeping the model"),
    mark("Generated"),
    mark("Generating for %(leaf)s"),
    # What became of an e-mail, with the server's words.
    mark("The mail server cannot be reached: %(answer)s"),
    mark("No answer came to what was handed over: %(answer)s"),
    mark("The worker ended while the mail server was taking it."),
)


def field_words(label: str) -> str:
    """A field's label: ``Question 3`` → ``Frage 3``."""
    word, _space, number = label.rpartition(" ")
    if number.isdecimal() and word in LABELS:
        return f"{translation.gettext(word)} {number}"
    return translation.gettext(label) if label in LABELS else label


def code_words(code: str, *, mid_sentence: bool = False) -> str:
    """A code of the workers as words: ``near_duplicate`` → ``Near duplicate``."""
    words = translation.gettext(CODES[code]) if code in CODES else code.replace("_", " ").capitalize()
    return inside(words) if mid_sentence else words


def unit_words(unit: str) -> str:
    return translation.gettext(unit) if unit in UNITS else unit


def _varying(name: str) -> str:
    """The pattern of a sentence's varying part: a number where its name says so, anything otherwise."""
    return rf"(?P<{name}>\d[\d,]*)" if name in _NUMBERS else f"(?P<{name}>.+?)"


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each known sentence with varying parts, and what finds its parts in a sentence that was said."""
    found = []
    for sentence in (*SENTENCES, *CHECKS):
        if "%(" in sentence:
            pieces = re.split(r"%\((\w+)\)s", sentence)
            pattern = "".join(re.escape(p) if n % 2 == 0 else _varying(p) for n, p in enumerate(pieces))
            found.append((sentence, re.compile(pattern, re.DOTALL)))
    return tuple(found)


_WHOLE = frozenset(sentence for sentence in (*SENTENCES, *CHECKS) if "%(" not in sentence)


def said(sentence: str) -> str:
    """A sentence in the reader's language, its varying parts as they are; English and what is not known unchanged."""
    if not sentence or (translation.get_language() or "en").startswith("en"):
        return sentence
    if sentence in _WHOLE:
        return translation.gettext(sentence)
    for template, pattern in _patterns():
        match = pattern.fullmatch(sentence)
        if match:
            parts = match.groupdict()
            # A part may be words of ours, too: a field's name, an advice.
            known = {name: field_said(text) if name == "field" else _part(text) for name, text in parts.items()}
            return translation.gettext(template) % known
    return sentence


_ROUND = re.compile(r"Round \d+")


def known(sentence: str) -> bool:
    """Whether ``said`` knows this English sentence."""
    return sentence in _WHOLE or any(pattern.fullmatch(sentence) for _template, pattern in _patterns())


def _part(text: str) -> str:
    return said(text) if text[-1:] in ".?" or text in _WHOLE or _ROUND.fullmatch(text) else text


@cache
def _fields() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (field, re.compile(re.sub(r"%\\?\((\w+)\\?\)s", r"(?P<\1>\\d+)", re.escape(field)))) for field in FIELDS
    )


def field_said(field: str) -> str:
    """A field's name as checks say it: ``The answer of seed 3``."""
    for template, pattern in _fields():
        match = pattern.fullmatch(field)
        if match:
            return translation.gettext(template) % match.groupdict()
    return field
