"""What changes rounds: planning and starting them (``plan``), and leading their stages to an end (``run``)."""

from taxonomy_app.rounds.services.plan import round_plan, round_prepare, round_start
from taxonomy_app.rounds.services.run import (
    attempts_reap,
    report_apply,
    round_cancel,
    stage_dispatch,
    stage_retry,
)

__all__ = [
    "attempts_reap",
    "report_apply",
    "round_cancel",
    "round_plan",
    "round_prepare",
    "round_start",
    "stage_dispatch",
    "stage_retry",
]
