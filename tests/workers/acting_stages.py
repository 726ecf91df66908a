"""Stages that do as a test asks. How they behave is told by a file ``act.json`` in SEEDBED_VAR."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from workers.specs import Progress, StageProblem, StageSpec
from workers.stages import StageCancelled, StageContext, StageFailure

REGISTRY_PATH = "tests.workers.acting_stages.run"


def run(spec: StageSpec, context: StageContext) -> dict[str, Any]:
    act = json.loads((context.settings.var / "act.json").read_text(encoding="utf-8"))
    artifact = context.store.artifact(spec.output)
    context.report(Progress(done=1, total=2, unit="parts"))
    done_before = artifact.names("parts/")
    artifact.write_text(f"parts/{spec.reference.attempt}", "finished")
    match act["do"]:
        case "finish":
            return {"parts": len(artifact.names("parts/")), "found": done_before}
        case "fail":
            raise StageFailure(StageProblem(code="teacher", message="The teacher does not answer.", retry=True))
        case "surprise":
            context.log.info("all is well so far")
            context.log.warning("just before")
            raise ValueError("nobody foresaw this")
        case "write forever":
            while True:
                artifact.write_text("parts/again", "x")
                time.sleep(0.01)
        case "wait":
            (context.settings.var / f"running-{spec.reference.attempt}").write_text(str(os.getpid()), encoding="utf-8")
            until = time.monotonic() + 60
            while time.monotonic() < until:
                if context.cancelled():
                    raise StageCancelled
                time.sleep(0.02)
            raise AssertionError("nobody asked the stage to stop")
        case "wait deaf":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            (context.settings.var / "running-deaf").write_text(f"{os.getpid()} {child.pid}", encoding="utf-8")
            time.sleep(60)
            raise AssertionError("nobody ended the process")
        case other:
            raise AssertionError(other)
