"""The pages of releases: dashboard, one release, one leaf in it, the matrix, the comparison, decisions, downloads."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from taxonomy_app.people.permissions import administrator_required, visible_to_visitors
from taxonomy_app.releases import export, services
from taxonomy_app.releases.comparing import releases_compare
from taxonomy_app.releases.dashboard import benchmark_measures
from taxonomy_app.releases.dashboard import dashboard as read_dashboard
from taxonomy_app.releases.forgetting import MARGIN
from taxonomy_app.releases.forms import PromoteForm, RollbackForm
from taxonomy_app.releases.headline import headline
from taxonomy_app.releases.matrix import forgetting_matrix
from taxonomy_app.releases.models import Baseline, Release
from taxonomy_app.releases.queries import SHOWN, leaves_in_release, lineage, round_leaves
from taxonomy_app.releases.seeds import leaf_seeds

LEAVES_PER_PAGE = 50


def release_or_404(request: HttpRequest, number: int) -> Release:
    """A release that the person may see; a candidate does not exist for visitors."""
    return get_object_or_404(
        Release.objects.visible_for(request.user).select_related("round__created_by"), number=number
    )


@visible_to_visitors
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    return render(request, "releases/dashboard.html", {"dashboard": read_dashboard(request.user)})


@visible_to_visitors
@require_safe
def release(request: HttpRequest, number: int) -> HttpResponse:
    found = release_or_404(request, number)
    return render(request, "releases/release.html", _release_context(request, found))


def _release_context(request: HttpRequest, found: Release, **forms: Any) -> dict[str, Any]:
    show = request.GET.get("show", "")
    show = show if show in SHOWN else ""
    page = Paginator(round_leaves(found, show), LEAVES_PER_PAGE).get_page(request.GET.get("page"))
    leaves = list(page.object_list)
    others = list(
        Release.objects.visible_for(request.user).exclude(pk=found.pk).order_by("-number").only("number", "name")
    )
    context = {
        "release": found,
        "headline": headline(found.summary),
        "page": page,
        "leaves": leaves_in_release(found, leaves),
        "lineage": lineage(found, leaves),
        "measures": benchmark_measures([found], list(Baseline.objects.all())),
        "events": found.events.select_related("actor"),
        "show": show,
        "shown": SHOWN,
        "previous": next((other for other in others if other.number < found.number), others[-1] if others else None),
        "plan": found.round.plan,
    }
    if request.user.is_authenticated and request.user.can_administer:
        forgotten = list(found.retentions.filter(verdict="forgets").select_related("taught_by")[:20])
        context |= {
            "promote_form": forms.get("promote") or PromoteForm(forgets=bool(forgotten)),
            "rollback_form": forms.get("rollback") or RollbackForm(),
            "forgotten": forgotten,
            "would_restore": services.previous_of(found) if found.is_current else None,
        }
    return context


@visible_to_visitors
@require_safe
def leaf(request: HttpRequest, number: int, leaf_id: uuid.UUID) -> HttpResponse:
    found = release_or_404(request, number)
    pinned = get_object_or_404(found.round.leaves, leaf_id=leaf_id)
    context = {
        "release": found,
        "leaf": pinned,
        "row": leaves_in_release(found, [pinned])[0],
        "seeds": leaf_seeds(found, pinned),
        "lineage": lineage(found, [pinned]),
    }
    return render(request, "releases/leaf.html", context)


@visible_to_visitors
@require_safe
def matrix(request: HttpRequest) -> HttpResponse:
    found = forgetting_matrix(
        user=request.user,
        page=request.GET.get("page", 1),
        whole=request.GET.get("columns") == "all",
        flagged=request.GET.get("show") == "forgets",
        under=request.GET.get("q", "").strip()[:200],
    )
    return render(request, "releases/matrix.html", {"matrix": found, "margin": MARGIN, "margin_strong": 4 * MARGIN})


@visible_to_visitors
@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    releases = list(Release.objects.visible_for(request.user).select_related("round").order_by("-number"))
    by_number = {str(one.number): one for one in releases}
    second = by_number.get(request.GET.get("second", "")) or (releases[0] if releases else None)
    first = by_number.get(request.GET.get("first", "")) or (releases[1] if len(releases) > 1 else None)
    context: dict[str, Any] = {"releases": releases, "first": first, "second": second}
    if first is not None and second is not None and first != second:
        context["comparison"] = releases_compare(first, second, page=request.GET.get("page", 1))
    return render(request, "releases/compare.html", context)


@visible_to_visitors
@require_safe
def scores_json(request: HttpRequest, number: int) -> HttpResponse:
    found = release_or_404(request, number)
    response = JsonResponse(export.release_as_json(found), json_dumps_params={"indent": 1})
    response.headers["Content-Disposition"] = f'attachment; filename="release-{number}-scores.json"'
    return response


@visible_to_visitors
@require_safe
def scores_csv(request: HttpRequest, number: int) -> HttpResponse:
    found = release_or_404(request, number)
    response = HttpResponse(export.release_as_csv(found), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="release-{number}-scores.csv"'
    return response


# --- Decisions ---------------------------------------------------------------------------------------


@administrator_required
@require_POST
def publish(request: HttpRequest, number: int) -> HttpResponse:
    found = release_or_404(request, number)
    services.release_publish(release=found, actor=request.user, now=timezone.now())
    messages.success(
        request, _("%(release)s is published: everyone who may see this site sees its scores.") % {"release": found}
    )
    return redirect(found)


@administrator_required
@require_POST
def promote(request: HttpRequest, number: int) -> HttpResponse:
    found = release_or_404(request, number)
    form = PromoteForm(request.POST, forgets=found.retentions.filter(verdict="forgets").exists())
    if form.is_valid():
        try:
            services.release_promote(release=found, actor=request.user, now=timezone.now(), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("%(release)s is the current release.") % {"release": found})
            return redirect(found)
    return render(request, "releases/release.html", _release_context(request, found, promote=form), status=422)


@administrator_required
@require_POST
def rollback(request: HttpRequest, number: int) -> HttpResponse:
    found = release_or_404(request, number)
    form = RollbackForm(request.POST)
    if form.is_valid():
        try:
            restored = services.release_rollback(
                release=found, actor=request.user, now=timezone.now(), reason=form.cleaned_data["reason"]
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            instead = (
                _("%(release)s is current again") % {"release": restored}
                if restored
                else _("no release is current now")
            )
            messages.success(
                request, _("%(release)s is rolled back: %(instead)s.") % {"release": found, "instead": instead}
            )
            return redirect(found)
    return render(request, "releases/release.html", _release_context(request, found, rollback=form), status=422)
