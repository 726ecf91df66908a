"""The pages of rounds: list, plan, watch, and read what was generated. Everything is decided in ``services``."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from taxonomy_app.people.permissions import administrator_required, visible_to_visitors
from taxonomy_app.rounds import presentation, services
from taxonomy_app.rounds.forms import RoundForm, initial_from
from taxonomy_app.rounds.models import Attempt, Round, RoundState, Stage, StageState
from taxonomy_app.rounds.rows import LeafFunnel, filters_of, read_funnel, read_page, read_row, training_lines
from taxonomy_app.rounds.services.plan import round_estimate, teacher_seen
from taxonomy_app.rounds.services.preview import preview_pace
from taxonomy_app.rounds.services.record import artifact_store, cache_folder
from taxonomy_app.rounds.services.rows import decisions_of
from taxonomy_app.tree.models import Leaf
from workers.artifacts import Artifact, ArtifactProblem
from workers.interchange import FILE_OF_PHASE
from workers.specs import StageKind

ROUNDS_ON_A_PAGE = 20
LEAVES_ON_A_PAGE = 25
ROWS_ON_A_PAGE = 15
EVENTS_SHOWN = 60
MOST_EMPTY_LEAVES = 500
LINES_IN_A_PIECE = 500
MOST_LOG_CHARACTERS = 200_000


# --- Lists ------------------------------------------------------------------------------------------------


@require_GET
@visible_to_visitors
def round_list(request: HttpRequest) -> HttpResponse:
    """All rounds, the newest first."""
    rounds = (
        Round.objects.whole()
        .newest_first()
        .defer("plan")
        .select_related("created_by", "release")
        .annotate(leaf_count=Count("leaves", filter=Q(leaves__taught_count__gt=0)))
        .prefetch_related(
            Prefetch("stages", Stage.objects.order_by("position").only("round_id", "kind", "position", "state"))
        )
    )
    page = Paginator(rounds, ROUNDS_ON_A_PAGE).get_page(request.GET.get("page"))
    rows = [(each, _visible_release(request, each), _took(each)) for each in page]
    return render(request, "rounds/list.html", {"page": page, "rows": rows})


def _took(each: Round) -> str:
    if each.started_at is None:
        return ""
    return presentation.duration_words(((each.ended_at or timezone.now()) - each.started_at).total_seconds())


def _visible_release(request: HttpRequest, each: Round) -> Any:
    """The round's release if there is one that this person may see."""
    release = getattr(each, "release", None)
    if release is None or (release.state != "published" and not request.user.is_authenticated):
        return None
    return release


# --- Planning ---------------------------------------------------------------------------------------------


def _form(request: HttpRequest, initial: dict[str, Any] | None = None) -> RoundForm:
    leaves = (
        Leaf.objects.present()
        .order_by("path")
        .only("leaf_id", "path", "branch", "kind", "name", "seed_count", "problem", "blob")
    )
    return RoundForm(request.POST if request.method == "POST" else None, leaves=leaves, initial=initial)


@require_http_methods(["GET", "POST"])
@administrator_required
def round_new(request: HttpRequest) -> HttpResponse:
    """Plan a round. ``?from=<round id>`` fills the form in as that round was planned.

    A POST (form-encoded, with ``csrfmiddlewaretoken``) answers 302 to the planned round's page, whose path is
    ``/rounds/<round id>/``, or 422 with the form. Nothing runs until ``POST /rounds/<round id>/start/`` (no fields).
    Fields, all of which but ``recipe`` may be left out:

    - ``title``: the round's name.
    - ``choose``: ``all`` | ``new`` (new or changed since the last release) | ``some``; without it, ``some`` if
      ``leaves`` or ``folders`` are given, else ``all``.
    - ``leaves``: leaf ids, repeated; ``folders``: folders such as ``knowledge`` or ``compositional_skills/writing``,
      repeated. Both count with ``choose=some`` only.
    - ``recipe``: a name of ``workers.recipes`` (``quick``, ``lab``, ...).
    - ``samples_per_leaf``, ``held_out_percent``, ``benchmark_limit``: numbers in the recipe's place.
    - ``pipeline``: a name of ``workers.pipelines`` (without it, ``lab``).
    - ``judge``: ``recipe`` | ``token`` | ``written`` | ``none``.
    - ``control``: ``recipe`` | ``yes`` | ``no``. ``random_seed``: a number; without it, the round's number.
    - ``teacher_source``: ``auto`` | ``vllm`` | ``transformers`` | ``endpoint``; ``teacher_model``,
      ``teacher_revision``, ``teacher_profile``, ``teacher_in_flight``; for an endpoint ``teacher_url``,
      ``teacher_further`` (a URL and a number a line) and ``teacher_key_variable``.
    - ``student``: ``bundled`` | ``release`` (if there is a current one: then also the default) | ``other``, with
      ``student_name`` and ``student_revision``.
    - ``holds``: ``on`` if the round is to wait after generation until an administrator lets it go on.
    - ``seen_by_workers``: ``on`` if folders and servers are to be believed though this server does not see them.
    - ``planned_from``: the id of the round from which this one is planned again.
    """
    earlier = None
    if request.method == "GET" and request.GET.get("from"):
        earlier = _round_or_404(request.GET["from"])
    form = _form(request, initial_from(earlier) if earlier else None)
    if request.method == "POST":
        if form.is_valid():
            data = form.cleaned_data
            earlier = Round.objects.filter(pk=data["planned_from"]).first() if data["planned_from"] else None
            try:
                planned = services.round_plan(
                    leaf_ids=data["leaf_ids"],
                    recipe=data["made_recipe"],
                    teacher=data["teacher"],
                    student=data["student_reference"],
                    random_seed=data["random_seed"],
                    title=data["title"],
                    planned_from=earlier,
                    holds=data["holds"],
                    pipeline=data["pipeline_pin"],
                    actor=request.user,
                    now=timezone.now(),
                )
            except ValidationError as error:
                form.add_error("choose", error)
            else:
                messages.success(
                    request, _("%(title)s is planned. Look at it, then start it.") % {"title": planned.title}
                )
                return redirect(planned)
        elif form.data.get("planned_from"):
            earlier = _round_or_404(form.data["planned_from"])
    status = 422 if request.method == "POST" else 200
    context = {
        "form": form,
        "earlier": earlier,
        "leaf_hint": _("%(count)s in the taxonomy") % {"count": len(form.usable)},
        **_cost(form),
    }
    return render(request, "rounds/new.html", context, status=status)


@require_POST
@administrator_required
def round_cost(request: HttpRequest) -> HttpResponse:
    """The estimate for the form as it stands (its fields, as ``round_new``): a fragment."""
    return render(request, "rounds/_estimate.html", _cost(_form(request)))


def _cost(form: RoundForm) -> dict[str, Any]:
    """The estimate of a form, or why there is none."""
    if not form.is_bound:
        return {"cost": None, "cost_note": ""}
    if not form.is_valid():
        return {"cost": None, "cost_note": _("The cost is shown once the fields above are in order.")}
    data = form.cleaned_data
    try:
        found = round_estimate(
            leaf_ids=data["leaf_ids"],
            recipe=data["made_recipe"],
            teacher=data["teacher"],
            student=data["student_reference"],
        )
    except ValidationError as error:
        return {"cost": None, "cost_note": error.messages[0]}
    return {
        "cost": cost_words(found.as_json()),
        "leaf_count": len(data["leaf_ids"]),
        "seen_of_teacher": presentation.probe_rows(teacher_seen(data["teacher"])),
    }


def cost_words(estimate: dict[str, Any]) -> dict[str, Any]:
    """An estimate (``Estimate.as_json``) as the pages show it."""
    names = dict(Stage._meta.get_field("kind").choices or ())
    return {
        **estimate,
        "mixed": len({stage["measured"] for stage in estimate.get("stages", ())}) > 1,
        "words": presentation.duration_words(estimate.get("seconds")),
        "rows": [
            (names[stage["kind"]], presentation.duration_words(stage["seconds"]), stage["measured"])
            for stage in estimate.get("stages", ())
        ],
    }


# --- One round --------------------------------------------------------------------------------------------


def _round_or_404(round_id: UUID | str) -> Round:
    try:
        return get_object_or_404(Round, pk=round_id)
    except (ValueError, ValidationError):
        raise Http404(_("There is no such round.")) from None


@require_GET
@visible_to_visitors
def round_show(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """One round: what is happening, its plan, its results, its history."""
    rounds = Round.objects.select_related("created_by", "planned_from", "preview_of", "release")
    found = get_object_or_404(rounds, pk=round_id)
    plan = found.read_plan()
    context = _live(request, found)
    stages = {view.stage.kind: view.stage for view in context["views"]}
    generation = stages[StageKind.GENERATION.value]
    leaves = Paginator(found.leaves.all(), LEAVES_ON_A_PAGE).get_page(request.GET.get("page"))
    funnels = _funnels(generation)
    events = list(found.events.select_related("actor", "stage").order_by("-pk")[: EVENTS_SHOWN + 1])
    failed = next((stage for stage in stages.values() if stage.state == StageState.FAILED), None)
    context |= {
        "plan": plan,
        "teacher_words": presentation.teacher_words(plan.teacher),
        "student_words": presentation.model_words(plan.student),
        "numbers": presentation.numbers_of(plan),
        "pipeline": presentation.pipeline_view(plan),
        "seen_of_teacher": presentation.probe_rows(
            teacher_seen(plan.teacher) if found.state == RoundState.PLANNED else generation.result.get("teacher")
        ),
        "cost": cost_words(found.estimate),
        "leaves": leaves,
        "leaf_rows": [(leaf, funnels.get(str(leaf.leaf_id))) for leaf in leaves],
        "generation": generation,
        "training_files": _training_files(stages) if context["administers"] else [],
        "has_funnel": bool(funnels),
        "filters": filters_of(funnels),
        "totals": _totals(funnels),
        "empty_leaves": empty_leaves(found, funnels),
        "unscored": _unscored(stages),
        **_preview(found),
        "judges": _judges(generation.result),
        "eyebrow": "" if found.title == str(found) else str(found),
        "leaf_hint": _("%(count)s in this round") % {"count": leaves.paginator.count},
        "cost_hint": _("Estimated at %(time)s") % {"time": presentation.duration_words(found.estimate["seconds"])}
        if found.estimate
        else "",
        "dropped_url": f"{reverse('rounds:samples', args=[found.pk])}?show=dropped" if funnels else "",
        "history_hint": _("The last %(count)s entries") % {"count": EVENTS_SHOWN} if len(events) > EVENTS_SHOWN else "",
        "failed_kind": failed.kind if failed else "",
        "events": events[:EVENTS_SHOWN],
        "release": _visible_release(request, found),
        "logs": _logs(failed) if failed is not None and context["administers"] else [],
        "took": _took(found),
    }
    return render(request, "rounds/round.html", context)


def _live(request: HttpRequest, found: Round) -> dict[str, Any]:
    """What the live part of the page shows. Two queries."""
    now = timezone.now()
    tries = dict(Attempt.objects.filter(stage__round=found).order_by().values_list("stage").annotate(count=Count("pk")))
    views = presentation.stage_views(found, list(found.stages.order_by("position")), tries, now)
    left = presentation.round_left(views) if found.is_under_way else None
    elapsed = ((found.ended_at or now) - found.started_at).total_seconds() if found.started_at else None
    return {
        "round": found,
        "views": views,
        "happening": presentation.happening(found, views),
        "elapsed": round(elapsed) if elapsed is not None else None,
        "elapsed_words": presentation.duration_words(elapsed),
        "left_words": presentation.duration_words(left) if left else "",
        "done_count": sum(view.stage.state == StageState.DONE for view in views),
        "curve": _curve(views),
        "etag_json": json.dumps(_etag(request, found)),
        "seen": _seen(found, views),
        "administers": request.user.is_authenticated and request.user.can_administer,
    }


def _etag(request: HttpRequest, found: Round) -> str:
    administers = request.user.is_authenticated and request.user.can_administer
    return f'"{found.pk.hex}-{found.revision}-{int(administers)}-{get_language()}"'


def _seen(found: Round, views: list[presentation.StageView]) -> str:
    """What the rest of the page depends on: when it changes, the whole page is loaded anew."""
    return f"{found.state}.{'.'.join(view.stage.state[0] for view in views if not view.stage.is_active)}"


def _curve(views: list[presentation.StageView]) -> list[tuple[float, float | None, float | None]]:
    """Rows (step, loss of tuning, loss of the control), by step."""
    kinds = (StageKind.TUNING.value, StageKind.CONTROL.value)
    curves = {view.stage.kind: {p[0]: p[1] for p in view.stage.curve} for view in views if view.stage.kind in kinds}
    tuning, control = curves.get(kinds[0], {}), curves.get(kinds[1], {})
    return [(step, tuning.get(step), control.get(step)) for step in sorted({*tuning, *control})]


@require_GET
@visible_to_visitors
def round_progress(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """The live part of a round's page: 304 while nothing has changed, and a reload where more than it has changed."""
    found = get_object_or_404(Round, pk=round_id)
    etag = _etag(request, found)
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        context = _live(request, found)
        response = render(request, "rounds/_progress.html", context)
        if request.GET.get("seen", context["seen"]) != context["seen"]:
            response.headers["HX-Refresh"] = "true"
    response.headers["ETag"] = etag
    # Revalidated at every poll, and never kept by a cache between people.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _funnels(generation: Stage) -> dict[str, LeafFunnel]:
    if generation.state != StageState.DONE:
        return {}
    return read_funnel(artifact_store().artifact(generation.output_artifact))


def _totals(funnels: dict[str, LeafFunnel]) -> dict[str, int]:
    return {
        "asked": sum(funnel.asked for funnel in funnels.values()),
        "kept": sum(funnel.kept for funnel in funnels.values()),
        "dropped": sum(funnel.dropped_total for funnel in funnels.values()),
    }


def empty_leaves(found: Round, funnels: dict[str, LeafFunnel]) -> list[str]:
    """Paths of the leaves of which the teacher was asked for samples and none was kept."""
    empty = [leaf_id for leaf_id, funnel in funnels.items() if not funnel.kept]
    return list(found.leaves.filter(leaf_id__in=empty[:MOST_EMPTY_LEAVES]).values_list("path", flat=True))


def _preview(found: Round) -> dict[str, Any]:
    """The newest preview of a planned round, and what its pace says about the round."""
    if found.state != RoundState.PLANNED:
        return {}
    preview = found.previews.order_by("-created_at").first()
    pace = preview_pace(preview, int(found.estimate.get("samples") or 0)) if preview is not None else None
    return {
        "preview": preview,
        "pace": pace,
        "pace_words": presentation.duration_words(pace.seconds) if pace is not None else "",
    }


def _unscored(stages: dict[str, Stage]) -> list[tuple[str, list[str]]]:
    """Leaves with held-out seeds that the evaluation had to leave out, and why (``workers.evaluation.stage``)."""
    evaluation = stages.get(StageKind.EVALUATION.value)
    left_out = evaluation.result.get("left_out") if evaluation is not None else None
    return sorted(left_out.items()) if isinstance(left_out, dict) else []


def _training_files(stages: dict[str, Stage]) -> list[str]:
    """Names of the files that ``round_data`` has of a round, those without a sample left out."""
    mixture = stages.get(StageKind.MIXTURE.value)
    if mixture is None or mixture.state != StageState.DONE:
        return []
    phases = mixture.result.get("phases") or ()
    return sorted({FILE_OF_PHASE[phase["name"]] for phase in phases if phase.get("samples")})


def _judges(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What is known of the judge by kind of leaf (``workers.generation.judges.discrimination``)."""
    judge = result.get("judge")
    if not isinstance(judge, dict):
        return []
    return sorted((kind, facts) for kind, facts in judge.items() if isinstance(facts, dict))


def _logs(failed: Stage) -> list[int]:
    """Numbers of the attempts whose logs the worker kept."""
    try:
        names = artifact_store().artifact(failed.output_artifact).names("logs/attempt-")
    except (ArtifactProblem, OSError):
        return []
    numbers = (name.removeprefix("logs/attempt-").removesuffix(".log") for name in names)
    return sorted((int(number) for number in numbers if number.isdigit()), reverse=True)[:5]


@require_GET
@administrator_required
def attempt_log(request: HttpRequest, round_id: UUID, kind: str, attempt: int) -> HttpResponse:
    """The end of a failed attempt's log, as plain text."""
    stage = get_object_or_404(Stage, round_id=round_id, kind=kind)
    try:
        text = artifact_store().artifact(stage.output_artifact).read_bytes(f"logs/attempt-{attempt}.log")
    except ArtifactProblem:
        raise Http404(_("There is no such log.")) from None
    shown = text.decode("utf-8", errors="replace")[-MOST_LOG_CHARACTERS:]
    return HttpResponse(shown, content_type="text/plain; charset=utf-8")


# --- Acts -------------------------------------------------------------------------------------------------


@require_POST
@administrator_required
def round_begin(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Start a planned round. No fields; answers 302 to the round's page, with a message where it could not start."""
    found = _round_or_404(round_id)
    try:
        services.round_start(round=found, actor=request.user, now=timezone.now())
    except ValidationError as error:
        messages.error(request, error.messages[0])
    return redirect(found)


@require_POST
@administrator_required
def round_look_ahead(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Have a few rows of every leaf of a planned round written. No fields; answers 302 to the preview's page."""
    found = _round_or_404(round_id)
    try:
        preview = services.round_preview(round=found, actor=request.user, now=timezone.now())
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect(found)
    return redirect(preview)


@require_POST
@administrator_required
def round_stop(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Cancel a round, or discard a planned one. No fields."""
    found = _round_or_404(round_id)
    try:
        state = services.round_cancel(round=found, actor=request.user, now=timezone.now())
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        if state == RoundState.CANCELLED:
            messages.success(request, _("%(title)s is cancelled. What was finished is kept.") % {"title": found.title})
    return redirect(found)


@require_POST
@administrator_required
def round_again(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Try a failed round again where it stopped. No fields."""
    found = _round_or_404(round_id)
    try:
        services.stage_retry(round=found, actor=request.user, now=timezone.now())
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, _("It is tried again. What was finished is kept."))
    return redirect(found)


@require_POST
@administrator_required
def round_go_on(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Let a round that waits after generation go on, with what was decided about its rows. No fields."""
    found = _round_or_404(round_id)
    try:
        services.round_go_on(round=found, actor=request.user, now=timezone.now())
    except ValidationError as error:
        messages.error(request, error.messages[0])
    return redirect(found)


@require_POST
@administrator_required
def row_decide(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Restore a dropped row, reject a kept one, or take that back, while the round is held.

    Fields: ``show`` (``kept`` or ``dropped``), ``position`` (of the row among them), ``sample`` (its id, so that a
    wrong position decides nothing), ``verdict`` (``restore``, ``reject``, ``back``), ``query`` (of the page to go back
    to). Answers 302 to the samples page.
    """
    found = _round_or_404(round_id)
    dropped = request.POST.get("show") == "dropped"
    position = request.POST.get("position", "")
    try:
        row = read_row(
            _generated(found), int(position) if position.isdecimal() else -1, cache=cache_folder(), dropped=dropped
        )
    except ArtifactProblem:
        row = None
    if row is None or row.sample.sample_id != request.POST.get("sample"):
        raise Http404(_("There is no such row."))
    try:
        services.row_decide(
            round=found, row=row, verdict=request.POST.get("verdict", ""), actor=request.user, now=timezone.now()
        )
    except ValidationError as error:
        messages.error(request, error.messages[0])
    # Parsed and written anew: nothing but parameters of this page comes back.
    query = QueryDict(request.POST.get("query", "")[:2000]).urlencode()
    back = reverse("rounds:samples", args=[found.pk])
    return redirect(f"{back}?{query}#row-{row.position}" if query else f"{back}#row-{row.position}")


def _generated(found: Round) -> Artifact:
    return artifact_store().artifact(found.stages.get(kind=StageKind.GENERATION.value).output_artifact)


# --- Samples ----------------------------------------------------------------------------------------------


@require_GET
@visible_to_visitors
def round_samples(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """The samples of a round and the rows that were dropped, with the filter, the reason and the score.

    Parameters: ``show`` (``kept`` or ``dropped``), ``leaf`` (its id), ``filter``, ``q`` (words in the text), ``page``.
    """
    found = get_object_or_404(Round, pk=round_id)
    generation = found.stages.get(kind=StageKind.GENERATION.value)
    artifact = artifact_store().artifact(generation.output_artifact)
    show = "dropped" if request.GET.get("show") == "dropped" else "kept"
    number = request.GET.get("page", "1")
    page_number = int(number) if number.isdigit() and 0 < int(number) < 1_000_000 else 1
    leaves = dict(found.leaves.values_list("leaf_id", "path"))
    by_id = {str(leaf_id): path for leaf_id, path in leaves.items()}
    leaf_id = request.GET.get("leaf", "")
    leaf_id = leaf_id if leaf_id in by_id else ""
    funnels = _funnels(generation)
    filters = filters_of({leaf_id: funnels[leaf_id]} if leaf_id in funnels else funnels)
    names = [name for name, _ in filters]
    filter_name = request.GET.get("filter", "") if request.GET.get("filter") in names else ""
    text = request.GET.get("q", "").strip()[:200]
    page = None
    if generation.state == StageState.DONE:
        try:
            page = read_page(
                artifact,
                cache=cache_folder(),
                dropped=show == "dropped",
                number=page_number,
                size=ROWS_ON_A_PAGE,
                leaf_id=leaf_id,
                filter_name=filter_name if show == "dropped" else "",
                text=text,
            )
        except ArtifactProblem:
            page = None
    decisions = decisions_of(found) if found.holds else {}
    context = {
        "round": found,
        "page": page,
        "rows": [(row, decisions.get(row.sample.sample_id)) for row in page.rows] if page is not None else [],
        "by_hand": Counter(decision.verdict for decision in decisions.values()),
        "may_decide": found.state == RoundState.HELD and request.user.is_authenticated and request.user.can_administer,
        "show": show,
        "leaf_id": leaf_id,
        "leaf_path": by_id.get(leaf_id, ""),
        "leaves": sorted(by_id.items(), key=lambda pair: pair[1]),
        "filters": filters,
        "filter_name": filter_name,
        "q": text,
        "first_number": (page_number - 1) * ROWS_ON_A_PAGE + 1,
        "previous_number": page_number - 1,
        "next_number": page_number + 1,
        "totals": _totals({leaf_id: funnels[leaf_id]} if leaf_id in funnels else funnels),
        "generation": generation,
    }
    return render(request, "rounds/samples.html", context)


@require_GET
@administrator_required
def round_data(request: HttpRequest, round_id: UUID, name: str) -> StreamingHttpResponse:
    """What the round's student was tuned on, as InstructLab's training reads it (``workers.interchange``).

    ``name``: ``knowledge_train_msgs`` or ``skills_train_msgs``. Written while it is read: nothing is held whole.
    """
    found = get_object_or_404(Round, pk=round_id)
    mixture = found.stages.filter(kind=StageKind.MIXTURE.value, state=StageState.DONE).first()
    lines = training_lines(artifact_store().artifact(mixture.output_artifact), found.recipe, name) if mixture else None
    if lines is None:
        raise Http404(_("The round has no such data."))
    return StreamingHttpResponse(
        _in_pieces(lines),
        content_type="application/jsonl; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="round-{found.number}-{name}.jsonl"'},
    )


async def _in_pieces(lines: Iterator[str]) -> AsyncIterator[str]:
    """Some lines at a time, read beside the event loop: an ordinary iterator would be read to its end first."""
    while piece := await sync_to_async(lambda: "".join(itertools.islice(lines, LINES_IN_A_PIECE)))():
        yield piece
