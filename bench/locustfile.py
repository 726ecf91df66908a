"""What the simulated people of ``people_at_once.py`` do, for locust, which runs in an environment of its own.

Nothing of the project is imported here. How long people take between requests follows from what they do:

- An author types 40 words a minute (a usual pace of composing) and pauses after a sentence of 12 words, so the editor
  saves and checks every 18 seconds. A leaf has five seeds with 14 words of question and 40 of answer; before it is
  handed in it is read through once, at 240 words a minute.
- A reviewer looks at the queue for 8 seconds, reads the 270 words of a submission in 68 seconds, writes a comment of
  12 words on every third one, and decides: seven of ten approved, two handed back, one rejected.

Each pause is spread evenly from half of that to one and a half. People are in the middle of what they do when the run
begins, as they are on any day: an author has some of the five seeds already.
"""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gevent
from locust import FastHttpUser, events, task

SENTENCE_WORDS, TYPING, READING = 12, 40 / 60, 240 / 60  # words; words a second
QUESTION_WORDS, ANSWER_WORDS, SEEDS = 14, 40, 5
LOOKING = 8.0  # seconds before the queue
COMMENTED, APPROVED, HANDED_BACK = 1 / 3, 0.7, 0.2  # shares

PEOPLE: dict[str, list[dict[str, Any]]] = json.loads(Path(os.environ["SEEDBED_BENCH_PEOPLE"]).read_text("utf-8"))
WORDS: list[str] = PEOPLE["words"]  # type: ignore[assignment]  # made-up words that leaves are written with


def pause(seconds: float) -> None:
    gevent.sleep(seconds * random.uniform(0.5, 1.5))


class Person(FastHttpUser):
    """Somebody who is signed in; ``sees`` and ``sends`` do what a browser does for a link and for a form."""

    abstract = True
    waiting: list[dict[str, Any]]

    def on_start(self) -> None:
        self.me = self.waiting.pop()
        # The token may be of the browser's own making as long as cookie and header agree: that is what Django checks.
        token = "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=32))
        self.headers = {"Cookie": f"sessionid={self.me['session']}; csrftoken={token}", "X-CSRFToken": token}

    def sees(self, path: str, name: str) -> str:
        """A page by its address; its text, empty where it failed."""
        with self.client.get(path, name=name, headers=self.headers, allow_redirects=False, catch_response=True) as got:
            if got.status_code != 200:
                got.failure(f"answered {got.status_code}")
                return ""
            return str(got.text)

    def sends(self, path: str, name: str, fields: dict[str, str], then: str = "") -> tuple[str, str]:
        """A form; where it leads to and that page's text (``then`` names it), or the answer itself."""
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(fields)
        with self.client.post(
            path, name=name, data=body, headers=headers, allow_redirects=False, catch_response=True
        ) as got:
            if then and got.status_code == 302:
                to = str(got.headers["Location"])
            elif not then and got.status_code == 200:
                return path, str(got.text)
            else:
                got.failure(f"answered {got.status_code}: {_sentence(str(got.text))}")
                return "", ""
        address = to.partition("#")[0]
        return address, self.sees(address, then)


def _sentence(page: str) -> str:
    """What a page that refuses says about it."""
    found = re.search(r'class="notice notice-bad"[^>]*>(.*?)</div>', page, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())[:200] if found else ""


def _text(words: int) -> str:
    return " ".join(random.choices(WORDS, k=words)).capitalize()


class Author(Person):
    fixed_count = len(PEOPLE["authors"])
    waiting = PEOPLE["authors"]

    def on_start(self) -> None:
        super().on_start()
        self.leaves = 0
        self.draft = self.me["draft"]
        self.fields = {
            "attribution[0].title": "Written for this leaf",
            "attribution[0].link": "",
            "attribution[0].revision": "",
            "attribution[0].licence": "CC-BY-4.0",
            "attribution[0].creators": "Ada Brook",
            "task_description": _text(SENTENCE_WORDS),
        }
        self.begun = random.randrange(SEEDS)
        for number in range(self.begun):
            self.fields[f"seed_examples[{number}].question"] = f"{_text(QUESTION_WORDS)}?"
            self.fields[f"seed_examples[{number}].answer"] = f"{_text(ANSWER_WORDS)}."
        gevent.sleep(random.uniform(0, SENTENCE_WORDS / TYPING))

    @task
    def writes_a_leaf(self) -> None:
        self._opens(self.sees(self.draft, "editor"))
        for number in range(self.begun, SEEDS):
            self._types(f"seed_examples[{number}].question", f"{_text(QUESTION_WORDS)}?")
            self._types(f"seed_examples[{number}].answer", f"{_text(ANSWER_WORDS)}.")
        _, page = self.sends(self.draft, "save", self.fields | {"action": "save"}, then="editor")
        self._opens(page)
        pause(SEEDS * (QUESTION_WORDS + ANSWER_WORDS) / READING)
        to, page = self.sends(self.draft, "save", self.fields | {"action": "submit"}, then="submit page")
        self._opens(page)
        pause(SENTENCE_WORDS / READING)
        signed = {"version": self.fields["version"], "sign_off": "yes", "message": ""}
        self.sends(to, "submit", signed, then="submission")
        pause(SENTENCE_WORDS / READING)
        self.sees("/contributions/", "my contributions")
        pause(SENTENCE_WORDS / READING)
        self._begins_another()

    def _begins_another(self) -> None:
        self.leaves += 1
        self.sees("/contributions/new/", "new")
        pause(SENTENCE_WORDS / TYPING)
        name = f"{self.me['name']}_{self.leaves}"
        self.draft, _ = self.sends(
            "/contributions/new/", "begin", {"kind": "freeform", "folder": "people", "name": name}, then="editor"
        )
        self.fields = {key: text for key, text in self.fields.items() if not key.startswith("seed_examples")}
        self.begun = 0

    def _opens(self, page: str) -> None:
        found = re.search(r'name="version" value="(\d+)"', page)
        self.fields["version"] = found[1] if found else "0"

    def _types(self, field: str, text: str) -> None:
        """Sentence by sentence; after each the editor saves and checks all that the form holds."""
        words = text.split(" ")
        for end in range(SENTENCE_WORDS, len(words) + SENTENCE_WORDS, SENTENCE_WORDS):
            pause(min(SENTENCE_WORDS, len(words) - end + SENTENCE_WORDS) / TYPING)
            self.fields[field] = " ".join(words[:end])
            _, checks = self.sends(f"{self.draft}check/", "check while typing", self.fields)
            found = re.search(r'data-version="(\d+)"', checks)
            self.fields["version"] = found[1] if found else self.fields["version"]


class Reviewer(Person):
    fixed_count = len(PEOPLE["reviewers"])
    waiting = PEOPLE["reviewers"]

    def on_start(self) -> None:
        super().on_start()
        gevent.sleep(random.uniform(0, SEEDS * (QUESTION_WORDS + ANSWER_WORDS) / READING))

    @task
    def reviews_one(self) -> None:
        """From those that nobody has claimed; where another was faster, the next."""
        queue = self.sees("/contributions/queue/?claim=free", "queue")
        pause(LOOKING)
        rows = re.findall(r'href="(/contributions/review/\d+/)', queue)
        if not rows:
            return
        desk = random.choice(rows)
        self.sees(desk, "desk")
        self.sees(f"{desk}alike/", "similar seeds")
        _, page = self.sends(f"{desk}claim/", "claim", {"filter": "claim=free"}, then="desk")
        revision = re.search(r'name="revision" value="(\d+)"', page)
        if not revision or "disabled" in page.partition('name="verdict"')[2][:400]:
            return
        pause(SEEDS * (QUESTION_WORDS + ANSWER_WORDS) / READING)
        if random.random() < COMMENTED:
            pause(SENTENCE_WORDS / TYPING)
            said = {"text": _text(SENTENCE_WORDS), "seed": "1", "revision": revision[1], "back": "review"}
            self.sends(desk.replace("/review/", "/") + "comment/", "comment", said, then="desk")
        chance = random.random()
        verdict = "approve" if chance < APPROVED else "request_changes" if chance < APPROVED + HANDED_BACK else "reject"
        decision = {
            "verdict": verdict,
            "revision": revision[1],
            "reason": "" if verdict == "approve" else _text(SENTENCE_WORDS),
            "filter": "claim=free",
        }
        to, _ = self.sends(f"{desk}decide/", "decide", decision, then="desk")
        if to and verdict == "approve":
            COUNTED["approved"] += 1


COUNTED = {"approved": 0}


@events.quitting.add_listener
def tell(environment: Any, **_: Any) -> None:
    """What the people got done, for the program that started this."""
    Path(os.environ["SEEDBED_BENCH_COUNTED"]).write_text(json.dumps(COUNTED), "utf-8")
