"""How long the evaluation of a small round takes: three students, six leaves with five held-out seeds, general chats
and the own benchmark, on the bundled model. Prints one JSON line.

Must: within 120 seconds on two cores that are not otherwise busy. Processor time stands beside the time on the clock,
which is longer on a machine that is busy.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from workers.artifacts import ArtifactStore
from workers.environment import shared_settings
from workers.evaluation.stage import evaluate
from workers.generation.__main__ import planned_leaves
from workers.recipes import recipe
from workers.specs import BUNDLED_MODEL, LeafPin, ModelReference, RoundPlan, TeacherReference
from workers.stages import StageContext

STARTER = Path(__file__).resolve().parent.parent / "taxonomy_repo" / "starter" / "taxonomy"
LEAVES, HELD_OUT, LIMIT = 6, 5, 120.0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder:
        # A folder of its own: nothing that an earlier round has kept is used.
        settings = replace(shared_settings(), var=Path(folder))
        found = planned_leaves(STARTER, (), None, 0.5)[:LEAVES]
        leaves = tuple(leaf.model_copy(update={"held_out": leaf.held_out[:HELD_OUT]}) for leaf in found)
        quick = recipe("quick")
        model = ModelReference(name=BUNDLED_MODEL)
        plan = RoundPlan(
            taxonomy_commit="",
            leaves=tuple(LeafPin(leaf_id=leaf.leaf_id, path=leaf.path, blob=leaf.blob) for leaf in leaves),
            teacher=TeacherReference(),
            student=model,
            recipe=quick,
            random_seed=0,
            code_version="",
        )
        store = ArtifactStore(f"file://{folder}/artifacts")
        context = StageContext(settings=settings, store=store, plan=plan, leaves=leaves)
        began = time.perf_counter()
        result = evaluate(
            {"before": model, "after": model, "control": model}, quick.evaluation, context, store.artifact("bench")
        )
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        items = sum(len(score.items) for score in result.scores)
    print(
        json.dumps(
            {
                "bench": "evaluation_round",
                "items": items,
                "seconds": round(seconds, 1),
                "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
                "cores": os.cpu_count(),
                "load_before": round(os.getloadavg()[2], 1),
                "must_seconds": LIMIT,
                "ok": seconds <= LIMIT,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
