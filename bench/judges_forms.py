"""The judge that grades in one token against the one that writes down why: on the same rows, by the same model.

The rows are seeds of the starter taxonomy (right) and the same seeds with a planted fault (wrong), as generation itself
tries a judge. Told of each: how well it tells right from wrong (area under the curve with its interval), requests,
tokens and seconds; and in how many rows the two agree to keep or drop. Needs a model that can chat (``--teacher-url``
or ``--teacher-model``); without either the bundled small model is started, too weak to grade, which shows the cost.

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from workers.artifacts import ArtifactStore
from workers.environment import PROJECT, shared_settings
from workers.generation.__main__ import planned_leaves
from workers.generation.judges.choice import Choice
from workers.generation.judges.discrimination import area_under_curve, known_rows
from workers.generation.judges.written import Written
from workers.generation.rows import Row
from workers.specs import BUNDLED_MODEL, LeafKind, ModelReference, TeacherReference
from workers.teacher.connection import open_teacher

STARTER = PROJECT / "taxonomy_repo" / "starter" / "taxonomy"
# What the paper keeps.
KEPT = 2.0


async def judged(judge: Choice | Written, rows: list[Row]) -> tuple[list[float | None], dict[str, Any]]:
    usage = judge.client.usage
    before, begun = (usage.requests, usage.prompt_tokens, usage.completion_tokens), time.monotonic()
    scores = await asyncio.gather(*(judge.score(row) for row in rows))
    after = (usage.requests, usage.prompt_tokens, usage.completion_tokens)
    names = ("requests", "prompt_tokens", "completion_tokens")
    spent = {name: now - then for name, now, then in zip(names, after, before, strict=True)}
    return list(scores), {**spent, "seconds": round(time.monotonic() - begun, 2)}


def told(scores: list[float | None], right: int, spent: dict[str, Any]) -> dict[str, Any]:
    of_right = [score for score in scores[:right] if score is not None]
    of_wrong = [score for score in scores[right:] if score is not None]
    facts: dict[str, Any] = {"unread": sum(score is None for score in scores), **spent}
    if of_right and of_wrong:
        area, low, high = area_under_curve(of_right, of_wrong)
        facts |= {"area": round(area, 3), "low": round(low, 3), "high": round(high, 3)}
    return facts


async def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    settings = shared_settings()
    leaves = planned_leaves(options.taxonomy, (), None, 0.0)
    kinds = (LeafKind.KNOWLEDGE, LeafKind.GROUNDED, LeafKind.FREEFORM)
    known = [known_rows(leaves, kind, random_seed=1, most_seeds=options.seeds) for kind in kinds]
    right = [row for rows, _ in known for row in rows]
    wrong = [row for _, rows in known for row in rows]
    reference = TeacherReference(
        source="endpoint" if options.teacher_url else "auto",
        url=options.teacher_url,
        model=ModelReference(name=options.teacher_model),
        max_in_flight=options.in_flight,
    )
    store = ArtifactStore(settings.artifacts_url)
    async with open_teacher(reference, settings=settings, store=store, log=folder / "teacher.log", seed=1) as teacher:
        rows = [*right, *wrong]
        # The written form second: what the server has cached of the same rows helps it, not the form that is ours.
        token, token_spent = await judged(Choice(teacher.client), rows)
        written, written_spent = await judged(Written(teacher.client), rows)
    both = [(a >= KEPT, b >= KEPT) for a, b in zip(token, written, strict=True) if a is not None and b is not None]
    return {
        "benchmark": "judges_forms",
        "model": options.teacher_model,
        "rows": len(rows),
        "right": len(right),
        "token": told(token, len(right), token_spent),
        "written": told(written, len(right), written_spent),
        "both_read": len(both),
        "agree": round(sum(a == b for a, b in both) / len(both), 3) if both else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher-url")
    parser.add_argument("--teacher-model", default=BUNDLED_MODEL)
    parser.add_argument("--taxonomy", type=Path, default=STARTER)
    parser.add_argument("--seeds", type=int, default=12, help="right rows of each kind of leaf, at most")
    parser.add_argument("--in-flight", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(compare(options, Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
