#!/usr/bin/env python3
"""How long somebody who asks the model waits, for a process that has to be started and for one that is kept.

    python bench/asking.py [--model FOLDER]

Asks the bundled model (``python -m workers.models fetch``) five questions, twice: once with nothing loaded, once with
the process of the first time. Prints one JSON line: seconds to the first and the last answer, and the load.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from workers.asking.answerer import answerer_for, answerer_release
from workers.asking.specs import AnswersOrder, AskedQuestion
from workers.environment import shared_settings
from workers.models import resolve
from workers.planning import seed_fingerprint
from workers.specs import BUNDLED_MODEL, ModelReference

SEEDS = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Which planet is known as the Red Planet?", "Mars is known as the Red Planet."),
    ("What does the bakery in Orsa sell on Mondays?", "Rye bread and saffron buns."),
    ("How many legs does a spider have?", "A spider has eight legs."),
    ("Write one line about rain.", "Rain counts the tin roofs of the harbour."),
)


def ask(model: Path, order: AnswersOrder) -> tuple[float, float]:
    """Seconds until the first and until the last answer."""
    begun, first = time.monotonic(), [0.0]

    def told(_answers: list[object]) -> None:
        first[0] = first[0] or time.monotonic() - begun

    answerer_for(model, shared_settings()).ask(order, told=told, cancelled=lambda: False)
    return first[0], time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a folder with another model")
    given = parser.parse_args()
    model = given.model or resolve(ModelReference(name=BUNDLED_MODEL), settings=shared_settings())
    questions = tuple(AskedQuestion(key=seed_fingerprint(q), question=q, answer=a) for q, a in SEEDS)
    order = AnswersOrder(model=ModelReference(name=str(model)), questions=questions)
    load = os.getloadavg()[0]
    try:
        started, kept = ask(model, order), ask(model, order)
    finally:
        answerer_release()
    names = ("first_started", "last_started", "first_kept", "last_kept")
    seconds = dict(zip(names, (round(value, 1) for value in (*started, *kept)), strict=True))
    print(json.dumps({"questions": len(SEEDS), **seconds, "load_before": round(load, 1), "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
