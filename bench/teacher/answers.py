"""What the benchmarks' teacher says: made-up text that the parsers and judges of every generator take for an answer.

An answer depends on the prompt, on the request's own seed and on how often the same prompt was asked before, on nothing
else. It is of the kind that the prompt asks for: a question, an answer, a text, a list of them in a generator's own
tags, a copy, or a judgement, given in one token or in words. About a document it is made of the document's words, else
of invented ones, so that filters that compare with the document or with earlier rows have real work.

A judgement is right about seeds: the answer that a seed has is good, another answer to a seed's question is bad. Of any
other row ``accepted`` (a share) are good, by a hash of the row, whoever asks. Every judge errs in one row of twenty.
"""

from __future__ import annotations

import json
import math
import random
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

# A model that is asked for "a series" of questions about a page writes about so many.
QUESTIONS_OF_A_SERIES = 5
# One question in so many is one of a few that a model always thinks of.
STOCK_EVERY, STOCK_QUESTIONS = 16, 40
# How long a written judgement's reason is, in words: three sentences.
REASON_WORDS = 55
JUDGES_ERR_EVERY = 20

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]")
_WORD = re.compile(r"[a-z]{4,}")
_ASKED_FOR = re.compile(r"(?:[Gg]enerate|[Dd]evelop) (\d+) (?:such questions|user queries)")
# Where the document of a prompt stands, by generator; the last one in the text counts.
_SOURCES = (
    re.compile(r"\[(?:passage|text|document)\]\n((?:(?!\n\[).)*)\n\[end of (?:passage|text|document)\]", re.DOTALL),
    re.compile(r"\[Start of Context\]\n(.*?)\n\s*\[End of Context\]", re.DOTALL),
    re.compile(r"\[DOCUMENT\]\n(.*)\Z", re.DOTALL),
    re.compile(r"\bDocument:\n(.*?)(?:\n\s*Question:|\Z)", re.DOTALL),
)
_EXAMPLE_TEXTS = re.compile(r"\[text\]\n(.*?)(?=\n\n\[text\]|\n\nWrite|\n\nQuestion:)", re.DOTALL)
# The pair that is to be judged.
_PAIRS = (
    re.compile(r"Question: (.*?)\nAnswer: (.*?)\n\nGrades:", re.DOTALL),
    re.compile(
        r"\[Start of Question\]\s*(.*?)\s*\[End of Question\]\s*\[Start of (?:Answer|Response)\]\s*(.*?)"
        r"\s*\[End of (?:Answer|Response)\]",
        re.DOTALL,
    ),
    re.compile(r"\nInstruction: (.*?)\n\nTexts:\n<text 1> (.*?)\n\n### Output", re.DOTALL),
    re.compile(r"\[Start of Question\]\s*()(.*?)\s*\[End of Question\]", re.DOTALL),
    re.compile(r"\[Start of Response\]\s*()(.*?)\s*\[End of Response\]", re.DOTALL),
)
Make = Callable[[str, random.Random], str]
_SMALL = ("of the", "and a", "in the", "with a", "for the", "to the", "by the", "on a")
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


@dataclass
class Said:
    """A reply. ``first``: log-probabilities of its first token, of a judgement in one token."""

    text: str
    first: dict[str, float] = field(default_factory=dict)


def tokens_of(text: str) -> int:
    """Tokens, at four characters each: the same rule for everybody."""
    return len(text) // 4 + 1


class PlausibleAnswers:
    """``seeds``: (question, answer) of the taxonomy, which judges know."""

    def __init__(self, seeds: Iterable[tuple[str, str]] = (), *, accepted: float = 0.85) -> None:
        self.accepted = accepted
        self._seeds: dict[str, set[str]] = {}
        for question, answer in seeds:
            self._seeds.setdefault(_plain(question), set()).add(_plain(answer))
        self._asked: dict[int, int] = {}
        tagged = {"zero": ("Evaluation", "Score", "1", "0"), "feedback": ("Feedback", "Score", "2", "0")}
        tagged |= {"rating": ("Explanation", "Rating", "1", "0"), "faithful": ("Explanation", "Answer", "YES", "NO")}

        def verdict(name: str) -> Make:
            reason, score, good, bad = tagged[name]
            return lambda text, rng: _tagged(rng, reason, score, good if self._good(text) else bad)

        # What tells a kind of prompt, and what is said to it; the first that is found counts.
        self._kinds: tuple[tuple[str, Make], ...] = (
            ("Grade: 1, 2 or 3", lambda text, rng: f"{_reason(rng)}\nGrade: {self._grade(text, rng)}"),
            ("[Start of Feedback]", verdict("feedback")),
            ("[Start of Rating]", verdict("rating")),
            ("[Start of Explanation]", verdict("faithful")),
            ("binary 0/1", verdict("zero")),
            ("3-point scale", lambda text, rng: _tagged(rng, "Evaluation", "Score", self._grade(text, rng))),
            ("#### Output for Text 1", self._rating),
            ("user queries that can be received", _queries),
            ("such questions", _tagged_questions),
            ("[Start of Response]", lambda text, rng: _in_tags("Response", _answer(text, rng))),
            ("tag [Start of Context]", lambda text, rng: _in_tags("Context", _new_text(text, rng))),
            ("[ANSWER]", _series_of_pairs),
            ("[QUESTION]", _series_of_questions),
            ("spelling errors corrected", lambda text, _rng: _source(text) or text[-1500:]),
        )

    def say(self, text: str, body: dict[str, Any], number: int = 0) -> Said:
        """The reply to a prompt. ``number``: which of several replies to one request."""
        choices = (body.get("structured_outputs") or {}).get("choice") or body.get("guided_choice")
        # The hash is the same in every process, unlike Python's own of a text.
        place = zlib.crc32(text.encode())
        if body.get("seed") is None:
            again = self._asked[place] = self._asked.get(place, -1) + 1
        else:
            again = int(body["seed"])
        rng = random.Random(place * 2_654_435_761 + again * 40_503 + number)
        if choices or (body.get("logprobs") and int(body.get("max_tokens") or 99) <= 4):
            return self._token(text, choices, rng)
        schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
        schema = schema or (body.get("structured_outputs") or {}).get("json")
        if schema:
            return Said(json.dumps(_by_schema(schema, text, rng)))
        for sign, make in self._kinds:
            if sign in text:
                return Said(make(text, rng))
        return Said(_continued(text, rng) or _answer(text, rng))

    # -- judging

    def _good(self, text: str) -> bool:
        """Whether the pair that a judge is shown is a good one."""
        pair = next((found[-1] for form in _PAIRS if (found := form.findall(text))), ("", text))
        question, answer = _plain(pair[0]), _plain(pair[1])
        # Each judge errs about rows of its own: what it was told to do is part of the hash.
        errs = zlib.crc32(text.encode()) % JUDGES_ERR_EVERY == 0
        own = self._seeds.get(question)
        if own is not None:
            return (answer in own) != errs
        return zlib.crc32(f"{question}\n{answer}".encode()) % 1000 < 1000 * self.accepted

    def _grade(self, text: str, rng: random.Random) -> str:
        return ("2" if rng.random() < 0.5 else "3") if self._good(text) else "1"

    def _rating(self, text: str, rng: random.Random) -> str:
        return f"Rating: {4 if self._good(text) else 2}\nRationale: {_reason(rng)}"

    def _token(self, text: str, choices: Sequence[str] | None, rng: random.Random) -> Said:
        names = list(choices or ("1", "2", "3"))
        sure = rng.uniform(0.7, 0.95)
        best = names[-1] if self._good(text) else names[0]
        other = (1 - sure) / max(len(names) - 1, 1)
        return Said(best, {name: math.log(sure if name == best else other) for name in names})


def echoed(text: str) -> tuple[list[str], list[int], list[float | None]]:
    """Tokens, offsets and log-probabilities of a prompt: a word that came before is likelier."""
    found = [(match[0], match.start()) for match in re.finditer(r"\s*\S+", text)]
    seen: set[str] = set()
    values: list[float | None] = []
    for word, _ in found:
        plain = word.strip(" \n.,;:!?").lower()
        values.append(-0.8 if plain in seen else -3.5)
        seen.add(plain)
    if values:
        values[0] = None
    return [word for word, _ in found], [start for _, start in found], values


# -- text


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _invented(rng: random.Random) -> str:
    return "".join(rng.choices(_SYLLABLES, k=3))


def _sentence(rng: random.Random, words: int) -> str:
    parts: list[str] = ["The", _invented(rng)]
    while len(parts) < words:
        parts += [rng.choice(_SMALL), _invented(rng)]
    return " ".join(parts) + "."


def _reason(rng: random.Random) -> str:
    return " ".join(_sentence(rng, REASON_WORDS // 3) for _ in range(3))


def _in_tags(name: str, text: str) -> str:
    return f"[Start of {name}]\n{text}\n[End of {name}]"


def _tagged(rng: random.Random, reason: str, score: str, value: str) -> str:
    return f"{_in_tags(reason, _reason(rng))}\n\n{_in_tags(score, value)}"


def _source(text: str) -> str:
    """The document that a prompt is about, or nothing."""
    for form in _SOURCES:
        found = form.findall(text)
        if found:
            return str(found[-1]).strip()
    return ""


def _question(text: str, rng: random.Random) -> str:
    if source := _source(text):
        words = sorted(set(_WORD.findall(source.lower())))
        if len(words) >= 8:
            one, two, three, four = rng.sample(words, 4)
            asked = rng.choice(("What is told of", "How does it stand with", "Why does one speak of", "What became of"))
            return f"{asked} the {one} {two} and the {three} with its {four}?"
    if rng.randrange(STOCK_EVERY) == 0:
        rng = random.Random(rng.randrange(STOCK_QUESTIONS))
    words = [_invented(rng) for _ in range(6)]
    return "Write a note about the {} {} of the {} and the {} {} in a {}.".format(*words)


def _answer(text: str, rng: random.Random) -> str:
    sentences = [found.strip() for found in _SENTENCE.findall(_source(text)) if len(found.split()) >= 5]
    if sentences:
        return " ".join(rng.sample(sentences, min(len(sentences), rng.choice((1, 1, 2)))))
    return " ".join(_sentence(rng, rng.randint(10, 20)) for _ in range(rng.choice((1, 2, 2, 3))))


def _new_text(text: str, rng: random.Random) -> str:
    found = _EXAMPLE_TEXTS.findall(text) or _SOURCES[1].findall(text)
    words = len(str(found[0]).split()) if found else 50
    parts: list[str] = []
    while sum(len(part.split()) for part in parts) < words:
        parts.append(_sentence(rng, min(16, max(words, 4))))
    return " ".join(parts)


def _asked_for(text: str) -> int:
    found = _ASKED_FOR.search(text)
    return int(found[1]) if found else QUESTIONS_OF_A_SERIES


def _tagged_questions(text: str, rng: random.Random) -> str:
    count = _asked_for(text)
    return "\n".join(_in_tags("Question", _question(text, rng)) for _ in range(count))


def _queries(text: str, rng: random.Random) -> str:
    return "\n".join(_question("", rng) for _ in range(_asked_for(text)))


def _series_of_pairs(text: str, rng: random.Random) -> str:
    pairs = ((_question(text, rng), _answer(text, rng)) for _ in range(QUESTIONS_OF_A_SERIES))
    return "\n\n".join(f"[QUESTION]\n{question}\n[ANSWER]\n{answer}\n[END]" for question, answer in pairs)


def _series_of_questions(text: str, rng: random.Random) -> str:
    return "\n\n".join(f"[QUESTION]\n{_question(text, rng)}\n[END]" for _ in range(QUESTIONS_OF_A_SERIES))


def _continued(text: str, rng: random.Random) -> str | None:
    """What a text to go on with lacks, by its last label; None where it has none."""
    last = text.rstrip().rsplit("\n", 1)[-1]
    block = text.rstrip().rsplit("\n\n", 1)[-1].split("\nQuestion:", 1)[0]
    about = f"[text]\n{block}\n[end of text]" if len(block.split()) > 8 else ""
    if last.startswith("Question:"):
        return _question(about, rng)
    if last.startswith("Answer:"):
        return _answer(about, rng)
    return _sentence(rng, 40) if last.startswith("Text:") else None


def _by_schema(schema: dict[str, Any], text: str, rng: random.Random, name: str = "") -> Any:
    kind = schema.get("type")
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if kind == "object":
        return {key: _by_schema(value, text, rng, key) for key, value in schema.get("properties", {}).items()}
    if kind == "array":
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", QUESTIONS_OF_A_SERIES))
        return [_by_schema(schema.get("items", {}), text, rng, name) for _ in range(max(least, most))]
    if kind in ("integer", "number"):
        return 1
    if kind == "boolean":
        return True
    if "question" in name or "instruction" in name:
        return _question(text, rng)
    return _new_text(text, rng) if "context" in name else _answer(text, rng)
