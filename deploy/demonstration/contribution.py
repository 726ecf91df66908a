"""The first half: a contributor submits a new leaf, a reviewer approves it, and it is in the taxonomy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.browsing import Browser, Page, PageProblem
from taxonomy_repo.leaf import KnowledgeSeed, read_leaf

LEAF = Path(__file__).resolve().parent / "leaf"
FOLDER, NAME = "local_history", "quillmere_salt_railway"
PATH = f"knowledge/{FOLDER}/{NAME}"
COMMIT_SECONDS = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Account:
    username: str
    password: str


def sign_in(address: str, account: Account) -> Browser:
    browser = Browser(address)
    page = browser.get("people/sign-in/")
    answered = browser.submit(
        page, page.form("password"), {"identifier": account.username, "password": account.password}
    )
    if "people/sign-in" in answered.url:
        raise PageProblem(f"{account.username} cannot sign in: {answered.summary()}")
    return browser


def leaf_fields() -> dict[str, str]:
    """The demonstration's leaf as the fields of the draft's form."""
    leaf = read_leaf((LEAF / "qna.yaml").read_bytes(), PATH).leaf
    if leaf is None:
        raise PageProblem("The demonstration's own leaf cannot be read.")
    fields = {
        "domain": leaf.domain,
        "document_outline": leaf.document_outline,
        "document_name": f"{NAME}.md",
        "document_text": (LEAF / "document.md").read_text(encoding="utf-8"),
        "attribution[0].title": "The Quillmere Salt Railway",
        "attribution[0].link": "-",
        "attribution[0].revision": "-",
        "attribution[0].licence": "CC0-1.0",
        "attribution[0].creators": "The authors of Seedbed",
    }
    for i, seed in enumerate(leaf.seed_examples):
        assert isinstance(seed, KnowledgeSeed)  # noqa: S101  # the leaf beside this file is knowledge
        fields[f"seed_examples[{i}].context"] = seed.context
        for j, pair in enumerate(seed.questions_and_answers):
            fields[f"seed_examples[{i}].questions_and_answers[{j}].question"] = pair.question
            fields[f"seed_examples[{i}].questions_and_answers[{j}].answer"] = pair.answer
    return fields


def leaf_present(browser: Browser) -> str | None:
    """The address of the leaf's page if the taxonomy has it already."""
    try:
        page = browser.get(f"taxonomy/at/{PATH}/")
    except PageProblem:
        return None
    return page.url if "/taxonomy/leaf/" in page.url else None


def submission_under_way(browser: Browser) -> Page | None:
    """The page of the leaf's submission if an earlier call has sent it already."""
    mine = browser.get("contributions/")
    words = NAME.replace("_", " ")
    link = next(
        (to for text, to in mine.links if words in text.lower() and re.search(r"/contributions/\d+/$", to)), None
    )
    return browser.get(link) if link else None


def submit_leaf(rosa: Browser, say: Say) -> Page:
    """Write the leaf in the form, as a contributor without scripts would, and submit it. Returns its page."""
    page = rosa.get("contributions/new/")
    draft = rosa.submit(
        page, page.form("kind", "folder", "name"), {"kind": "knowledge", "folder": FOLDER, "name": NAME}
    )
    say(f"A contributor writes seeds for {PATH}: {draft.url}")
    ready = rosa.submit(draft, draft.form("version", "domain"), leaf_fields(), button=("action", "submit"))
    sent = rosa.submit(ready, ready.form("sign_off"), {"sign_off": "on", "message": ""})
    if "/submit" in sent.url:
        raise PageProblem(f"The draft was not accepted: {sent.summary()}")
    say(f"Submitted with a sign-off: {sent.url}")
    return sent


def approve_leaf(emeka: Browser, submission: Page, say: Say) -> None:
    """Find the submission in the queue and approve it, as a reviewer would."""
    number = submission.url.rstrip("/").rsplit("/", 1)[-1]
    queue = emeka.get("contributions/queue/")
    link = next((to for _, to in queue.links if f"/contributions/review/{number}/" in to), None)
    if link is None:
        say("A reviewer has decided on it already.")
        return
    review = emeka.get(link)
    form = next((f for f in review.forms if {"verdict", "revision"} <= f.names | {n for n, _ in f.buttons}), None)
    if form is None:
        raise PageProblem(f"{review.url} offers no decision: {review.summary()}")
    emeka.submit(review, form, {"verdict": "approve", "reason": ""})
    say("A reviewer has read and approved it.")


def await_commit(rosa: Browser, submission: Page, say: Say) -> str:
    """Wait until the outbox has put the leaf into the taxonomy. Returns the address of the leaf's page."""
    until = time.monotonic() + COMMIT_SECONDS
    while True:
        page = rosa.get(submission.url)
        leaf = next((to for _, to in page.links if "/taxonomy/leaf/" in to), None)
        if leaf is not None:
            say(f"It is in the taxonomy: {leaf}")
            return leaf
        if time.monotonic() > until:
            raise PageProblem(
                f"The approved leaf is not in the taxonomy after {COMMIT_SECONDS:.0f} seconds: {submission.url}"
            )
        time.sleep(0.5)
