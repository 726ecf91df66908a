"""What pages say about rounds: durations in words, what is happening, how a stage stands. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.rounds.models import Round, RoundState, Stage, StageState
from taxonomy_app.web.languages import mid_sentence
from taxonomy_app.web.numbers import compact, grouped
from taxonomy_app.web.repository_words import code_words, said, unit_words
from workers.pipelines import PipelineProblem, read_pipeline
from workers.specs import ModelReference, RoundPlan, StageKind, TeacherReference

WHAT_STAGES_DO = {
    StageKind.GENERATION: lazy("The teacher writes samples from the seeds; judges and filters keep the good ones."),
    StageKind.MIXTURE: lazy("Samples, seeds and replay are mixed into the phases of tuning."),
    StageKind.TUNING: lazy("The student is tuned, phase by phase."),
    StageKind.CONTROL: lazy("A second student is tuned without replay, to show what replay keeps."),
    StageKind.EVALUATION: lazy("Every model is scored on the held-out seeds and on benchmarks."),
}
_NOW_DOING = {
    StageKind.GENERATION: lazy("The teacher is writing samples"),
    StageKind.MIXTURE: lazy("The samples are being mixed with replay"),
    StageKind.TUNING: lazy("The student is being tuned"),
    StageKind.CONTROL: lazy("The control is being tuned without replay"),
    StageKind.EVALUATION: lazy("The models are being scored"),
}
# A first guess of what is left needs a few seconds of running.
_LEAST_SECONDS = 5.0


def duration_words(seconds: float | None) -> str:
    """``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds is None:
        return ""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 and whole % 60 else f"{round(whole / 60)} min"
    if whole < 86_400:
        hours, minutes = divmod(round(whole / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(whole / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def model_words(reference: ModelReference | dict[str, Any]) -> str:
    name = reference["name"] if isinstance(reference, dict) else reference.name
    revision = reference.get("revision") if isinstance(reference, dict) else reference.revision
    shown = {"bundled:smollm2-135m-instruct": _("SmolLM2-135M-Instruct (bundled)")}.get(name, name)
    return f"{shown} @ {revision[:12]}" if revision else shown


def teacher_words(teacher: TeacherReference) -> str:
    where = {
        "auto": _("a server that the worker starts"),
        "vllm": "vLLM",
        "transformers": "transformers",
        "endpoint": _("a running server"),
    }
    return _("%(model)s, on %(server)s") % {"model": model_words(teacher.model), "server": where[teacher.source]}


@dataclass(frozen=True)
class StageView:
    """A stage as the timeline shows it. ``elapsed`` and ``left`` are in seconds, None where unknown."""

    stage: Stage
    does: str
    tries: int
    elapsed: float | None
    left: float | None

    @property
    def badge(self) -> tuple[str, str]:
        """Words and tone."""
        stage = self.stage
        if stage.state == StageState.DONE and stage.reused:
            return _("Reused"), "good"
        if stage.state == StageState.PENDING and stage.problem:
            return _("Waits for another round"), "attention"
        return {
            StageState.PENDING: (_("Not yet"), "neutral"),
            StageState.QUEUED: (_("Waiting for a worker"), "attention"),
            StageState.RUNNING: (_("Running"), "busy"),
            StageState.DONE: (_("Done"), "good"),
            StageState.FAILED: (_("Failed"), "bad"),
            StageState.CANCELLED: (_("Cancelled"), "neutral"),
        }[StageState(stage.state)]

    @property
    def elapsed_words(self) -> str:
        return duration_words(self.elapsed)

    @property
    def left_words(self) -> str:
        """What is left of a stage under way; for one that has not begun, what it will take."""
        if not self.left:
            return ""
        time = {"time": duration_words(self.left)}
        return (_("about %(time)s left") if self.stage.is_active else _("about %(time)s")) % time

    @property
    def progress_words(self) -> str:
        progress = self.stage.progress
        done, total, unit = progress.get("done", 0), progress.get("total", 0), progress.get("unit", "")
        figures = {"done": grouped(done), "total": grouped(total), "unit": unit_words(unit)}
        return (_("%(done)s of %(total)s %(unit)s") % figures).strip() if total else ""

    @property
    def expected(self) -> str:
        """Requests and tokens that the whole stage will take at the pace so far; empty before that is known."""
        progress = self.stage.progress
        done, total, figures = progress.get("done", 0), progress.get("total", 0), progress.get("figures", {})
        if self.stage.state != StageState.RUNNING or not total or done < 0.02 * total or done == total:
            return ""
        expected = {name: grouped(figures.get(name, 0) * total / done) for name in ("requests", "tokens")}
        if figures.get("requests") and figures.get("tokens"):
            return _("about %(requests)s requests and %(tokens)s tokens in all at this pace") % expected
        if figures.get("requests"):
            return _("about %(requests)s requests in all at this pace") % expected
        return _("about %(tokens)s tokens in all at this pace") % expected if figures.get("tokens") else ""

    @property
    def figures(self) -> list[tuple[str, str]]:
        """The numbers beside the bar, names in words."""
        found = []
        for name, value in sorted(self.stage.progress.get("figures", {}).items()):
            shown = grouped(value) if float(value).is_integer() or abs(value) >= 1000 else compact(value, 3)
            found.append((code_words(name), shown))
        return found


def stage_views(round_: Round, stages: Sequence[Stage], tries: dict[Any, int], now: datetime) -> list[StageView]:
    expected = {stage["kind"]: stage["seconds"] for stage in round_.estimate.get("stages", [])}
    found = []
    for stage in stages:
        end = stage.ended_at if not stage.is_active else now
        elapsed = (end - stage.started_at).total_seconds() if stage.started_at and end else None
        found.append(
            StageView(
                stage,
                WHAT_STAGES_DO[stage.stage_kind],
                tries.get(stage.pk, 0),
                elapsed,
                _left(stage, elapsed, expected.get(stage.kind)),
            )
        )
    return found


def _left(stage: Stage, elapsed: float | None, expected: float | None) -> float | None:
    """Seconds left: from the pace so far, else from the estimate; None for a stage that is over."""
    if stage.state not in (StageState.PENDING, StageState.QUEUED, StageState.RUNNING):
        return None
    done, total = stage.progress.get("done", 0), stage.progress.get("total", 0)
    if elapsed and elapsed > _LEAST_SECONDS and total and done > 0.02 * total:
        return elapsed * max(total - done, 0) / done
    if expected is None:
        return None
    return max(expected - (elapsed or 0.0), 0.0)


def round_left(views: Sequence[StageView]) -> float | None:
    known = [view.left for view in views if view.left is not None]
    return sum(known) if known else None


def happening(round_: Round, views: Sequence[StageView]) -> str:
    """What is happening now, in one sentence."""
    if round_.state == RoundState.PLANNED:
        return _("Planned. Nothing runs until it is started.")
    if round_.state == RoundState.CANCELLING:
        return _("Stopping: the worker finishes what it is writing and then stops.")
    if round_.state == RoundState.HELD:
        return _("The samples wait to be looked at: restore or reject rows, then let the round go on.")
    if round_.state == RoundState.DONE:
        return (
            _("Done. The release with its scores is made.")
            if round_.preview_of_id is None
            else _("The preview is made.")
        )
    if round_.state == RoundState.CANCELLED:
        return _("Cancelled.") if round_.started_at else _("Discarded before it started.")
    if round_.state == RoundState.FAILED:
        stopped = next((view.stage for view in views if view.stage.state == StageState.FAILED), None)
        if stopped is None:
            return _("Stopped. What was finished is kept.")
        stage_name = {"stage": mid_sentence(stopped.get_kind_display())}
        return _("Stopped at the stage %(stage)s. What was finished is kept.") % stage_name
    if not round_.plan_artifact:
        return _("The plan is being written for the workers, with its seeds and documents.")
    for view in views:
        stage = view.stage
        name = stage.get_kind_display()
        if stage.state == StageState.PENDING and stage.problem:
            return _("Another round is making the same data; this one waits and then uses it.")
        if stage.state == StageState.QUEUED:
            if view.tries > 1:
                return _("The next attempt at it waits for a free GPU worker.")
            return _("%(stage)s waits for a free GPU worker.") % {"stage": name}
        if stage.state == StageState.RUNNING:
            message = said(stage.progress.get("message") or "") or _NOW_DOING[stage.stage_kind]
            return f"{str(message).rstrip('.')}."
    return _("The next stage is being sent.")


def probe_rows(found: Any) -> list[tuple[str, str]]:
    """What was seen of a teacher (``workers.teacher.probe.Probe``) in words; nothing of what was not asked."""
    if not isinstance(found, dict):
        return []
    yes, no = _("yes"), _("no")
    chats = yes if found.get("chats") else no
    if found.get("chats") and found.get("structured") is not None:
        chats = _("yes, held to a schema") if found["structured"] else _("yes, in words that are read tolerantly")
    rows = [
        (_("Prompted as"), str(found.get("profile", ""))),
        (_("Answers conversations"), chats),
        (_("Continues texts"), yes if found.get("completes") else no),
        (_("Tells the probabilities of its words"), yes if found.get("probabilities") else no),
        (_("Tells those of a text it is shown"), yes if found.get("prompt_probabilities") else no),
    ]
    if found.get("likelihood") is not None:
        nats = _("%(nats)s nats a token") % {"nats": f"{found['likelihood']:.2f}"}
        rows.append((_("A right answer is likelier than a wrong one by"), nats))
    if found.get("context_tokens"):
        rows.append((_("Longest text"), _("%(count)s tokens") % {"count": grouped(found["context_tokens"])}))
    return rows


@dataclass(frozen=True)
class PipelineView:
    """A plan's pipeline as its page shows it: what it is called, and its file to be read."""

    name: str
    title: str
    version: str
    hash: str
    text: str


def pipeline_view(plan: RoundPlan) -> PipelineView | None:
    """None for plans from before pipelines were files."""
    pin = plan.pipeline
    if pin is None:
        return None
    try:
        title = read_pipeline(pin.text, pin.name).content.title
    except PipelineProblem:  # of another version of this program: it can still be read
        title = pin.name
    return PipelineView(pin.name, title, pin.version, pin.hash, pin.text)


def numbers_of(plan: RoundPlan) -> list[tuple[str, str]]:
    """The recipe's numbers that decide most, as words and values."""
    recipe = plan.recipe
    rows = [
        (_("Samples for each leaf"), grouped(recipe.generation.samples_per_leaf)),
        (_("Temperature"), compact(recipe.generation.temperature)),
        (
            _("Seeds held out"),
            _("%(share)s, at least %(least)s")
            % {"share": f"{recipe.held_out_share:.0%}", "least": recipe.held_out_least},
        ),
        (_("Near-duplicates dropped from"), compact(recipe.generation.near_duplicate_threshold)),
        (_("Control arm"), _("without replay") if recipe.tuning.control != "none" else _("none")),
        (_("Precision of tuning"), recipe.tuning.compute_dtype),
        (_("Benchmarks"), ", ".join(words.replace("_", " ") for words in recipe.evaluation.benchmarks) or _("none")),
    ]
    if recipe.evaluation.limit:
        rows.append(
            (_("Items of each benchmark"), _("%(limit)s at most") % {"limit": grouped(recipe.evaluation.limit)})
        )
    return rows
