"""The pages of the taxonomy: browsing and search, a leaf, its documents, its history, its file."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from taxonomy_app.people.permissions import visible_to_visitors
from taxonomy_app.releases.queries import leaf_scores
from taxonomy_app.tree import queries
from taxonomy_app.tree.forms import SearchForm
from taxonomy_app.tree.models import Folder, Leaf, Seed, folders_above, words
from taxonomy_app.tree.services import taxonomy_store
from taxonomy_repo.store import StoreProblem

_RESULTS_A_PAGE = 25
_SEEDS_A_PAGE = 100
_CHANGES_SHOWN = 8
_CHANGES_A_PAGE = 50


@visible_to_visitors
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The three branches to browse, one folder of them (``?at=``), or the leaves that a search found (``?q=``)."""
    form = SearchForm(request.GET)
    form.is_valid()
    wanted = {name: form.cleaned_data.get(name, "") for name in ("q", "branch", "kind")}
    if any(wanted.values()):
        return render(request, "tree/search.html", {"form": form, **_search(request, wanted)})
    at = request.GET.get("at", "").strip("/")
    if at:
        folder = get_object_or_404(Folder, path=at)
        above = [(words(name), path) for name, path in folders_above(at)]
        return render(
            request,
            "tree/folder.html",
            {"form": form, "folder": folder, "above": above, "opened": queries.open_folder(at)},
        )
    shown = queries.branches()
    folders = [one.folder for one in shown if one.folder is not None]
    return render(
        request,
        "tree/home.html",
        {
            "form": form,
            "branches": shown,
            "leaf_count": sum(folder.leaf_count for folder in folders),
            "seed_count": sum(folder.seed_count for folder in folders),
            "newest": Leaf.objects.present().order_by("-changed_at", "path")[:5],
        },
    )


def _search(request: HttpRequest, wanted: dict[str, str]) -> dict[str, Any]:
    found = Leaf.objects.present().matching(wanted["q"]).order_by("path")
    if wanted["branch"]:
        found = found.under(wanted["branch"])
    if wanted["kind"]:
        found = found.filter(kind=wanted["kind"])
    return {"page": Paginator(found, _RESULTS_A_PAGE).get_page(request.GET.get("page")), "words": wanted["q"].split()}


@visible_to_visitors
@require_safe
def folder(request: HttpRequest) -> HttpResponse:
    """The inside of one folder, fetched when it is opened."""
    path = request.GET.get("path", "")
    if not Folder.objects.filter(path=path).exists():
        raise Http404
    return render(request, "tree/_inside.html", {"opened": queries.open_folder(path)})


@visible_to_visitors
@require_safe
def at_path(request: HttpRequest, path: str) -> HttpResponse:
    """The leaf, or the folder, that is at a place now."""
    place = path.strip("/")
    leaf = Leaf.objects.present().filter(path=place).first()
    if leaf is not None:
        return redirect(leaf)
    if Folder.objects.filter(path=place).exists():
        return redirect(reverse("tree:home", query={"at": place}))
    raise Http404


@visible_to_visitors
@require_safe
def leaf(request: HttpRequest, leaf_id: uuid.UUID) -> HttpResponse:
    """All that is known of a leaf. A removed one keeps its page: scores and submissions lead to it."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    seeds = Paginator(Seed.objects.filter(leaf=shown).order_by("position"), _SEEDS_A_PAGE)
    page = seeds.get_page(request.GET.get("page"))
    changes, more_changes = queries.history_of(shown, _CHANGES_SHOWN)
    return render(
        request,
        "tree/leaf.html",
        {
            "leaf": shown,
            "above": [(words(name), path) for name, path in shown.folders],
            "page": page,
            "groups": queries.seed_groups(page),
            "attribution": queries.attribution_of(shown),
            "contributors": queries.contributors_of(shown),
            "changes": changes,
            "more_changes": more_changes,
            "submissions": queries.submissions_of(shown, request.user),
            "scores": leaf_scores(shown.leaf_id, user=request.user),
        },
    )


@visible_to_visitors
@require_safe
def history(request: HttpRequest, leaf_id: uuid.UUID) -> HttpResponse:
    """Every change of a leaf, newest first."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    page = Paginator(shown.versions.order_by("-position"), _CHANGES_A_PAGE).get_page(request.GET.get("page"))
    people = queries.people_by_email(version.author_email for version in page)
    changes = [queries.Change(version, people.get(version.author_email.lower())) for version in page]
    return render(request, "tree/history.html", {"leaf": shown, "page": page, "changes": changes})


@visible_to_visitors
@require_safe
def document(request: HttpRequest, leaf_id: uuid.UUID, name: str) -> HttpResponse:
    """A document of a knowledge leaf as its author wrote it."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    try:
        text = queries.document_text(shown, name)
    except ObjectDoesNotExist as error:
        raise Http404 from error
    return render(request, "tree/document.html", {"leaf": shown, "name": name, "text": text})


@visible_to_visitors
@require_safe
def download(request: HttpRequest, leaf_id: uuid.UUID) -> HttpResponse:
    """The leaf's file as it is in the taxonomy, byte for byte."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    try:
        data = taxonomy_store().read_blob(shown.blob)
    except StoreProblem as error:
        raise Http404 from error
    response = HttpResponse(data, content_type="application/yaml; charset=utf-8")
    response.headers["Content-Disposition"] = content_disposition_header(True, f"{shown.name}.yaml")
    return response
