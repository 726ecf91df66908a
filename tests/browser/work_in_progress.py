"""Work under way on a demonstration's site, done through its pages: a draft being written and a submission that waits.

For pictures: without it the pages of authors and reviewers would be empty there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deploy.browsing import Browser, Page, PageProblem
from deploy.demonstration.contribution import Account, sign_in

IMPROVED = "compositional_skills/writing/report_line"
BEGUN = ("writing", "tide_table_sentences")
NEW_SEED = {
    "question": "Write as a report line: At dawn the ferry left the quay with two lorries.",
    "answer": "REPORT | who: ferry | what: left the quay with two lorries | when: dawn",
}
# A line too many in the answer, an empty one beside it: the editor has something to say about both.
DRAFT = {
    "task_description": "Turn a row of a tide table into one plain sentence.",
    "seed_examples[0].question": "Write as a sentence: Pell Sluice | high | 06:12 | 4.1 m",
    "seed_examples[0].answer": "High water at Pell Sluice is at 06:12 and stands at 4.1 metres.",
    "seed_examples[1].question": "Write as a sentence: Skerra Pier | low | 12:40 | 0.8 m",
    "seed_examples[1].answer": "",
}


def begin_work(address: str, passwords: Mapping[str, str]) -> None:
    """Begin a draft and hand in an improvement, as the demonstration's contributor; nothing where it was done before.

    Raises:
        PageProblem: the site does not take them.
    """
    rosa = sign_in(address, Account("rosa", passwords["rosa"]))
    mine = rosa.get("contributions/")
    if "/contributions/drafts/" not in mine.html:
        _begin_draft(rosa)
    if IMPROVED.rpartition("/")[2].replace("_", " ") not in mine.text.lower():
        _hand_in_improvement(rosa)


def _begin_draft(rosa: Browser) -> None:
    page = rosa.get("contributions/new/")
    folder, name = BEGUN
    begun = {"kind": "freeform", "folder": folder, "name": name}
    draft = rosa.submit(page, page.form("kind", "folder", "name"), begun)
    rosa.submit(draft, draft.form("version", "task_description"), DRAFT, button=("action", "save"))


def _hand_in_improvement(rosa: Browser) -> None:
    leaf = rosa.get(f"taxonomy/at/{IMPROVED}/")
    asked = rosa.get(leaf.link("/contributions/improve/"))
    draft = rosa.submit(asked, asked.form("/contributions/improve/"), {}) if "/improve/" in asked.url else asked
    grown = rosa.submit(draft, draft.form("version", "task_description"), {}, button=("action", "seed-add"))
    number = _seeds(grown) - 1
    fields = {f"seed_examples[{number}].{name}": value for name, value in NEW_SEED.items()}
    ready = rosa.submit(grown, grown.form("version", "task_description"), fields, button=("action", "submit"))
    sent = rosa.submit(ready, ready.form("sign_off"), {"sign_off": "on", "message": "One more, with two lorries."})
    if "/submit" in sent.url:
        raise PageProblem(f"The improvement was not accepted: {sent.summary()}")


def _seeds(page: Page) -> int:
    return len(set(re.findall(r'name="seed_examples\[(\d+)\]\.question"', page.html)))
