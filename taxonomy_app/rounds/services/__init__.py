"""What changes rounds: planning and starting them (``plan``), leading their stages to an end (``run``), and what
people decide about single rows before the student is tuned (``rows``). ``preview`` is a few rows before it starts."""

from taxonomy_app.rounds.services.plan import round_plan, round_prepare, round_start
from taxonomy_app.rounds.services.preview import round_preview
from taxonomy_app.rounds.services.rows import round_go_on, row_decide
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
    "round_go_on",
    "round_plan",
    "round_prepare",
    "round_preview",
    "round_start",
    "row_decide",
    "stage_dispatch",
    "stage_retry",
]
