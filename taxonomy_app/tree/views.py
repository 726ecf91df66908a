"""The pages of the taxonomy: browsing and search, a leaf, its documents, its history, its file, places for a text."""

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
from taxonomy_app.tree import queries, searching, versions
from taxonomy_app.tree.forms import PlaceForm, SearchForm
from taxonomy_app.tree.leaf_states import open_submissions
from taxonomy_app.tree.models import Folder, Leaf, LeafVersion, Seed, folder_words, folders_above
from taxonomy_app.tree.services import taxonomy_store
from taxonomy_app.tree.similarity import nearest
from taxonomy_repo.store import StoreProblem

_RESULTS_A_PAGE = 25
_SEEDS_A_PAGE = 50
_CHANGES_SHOWN = 8
_CHANGES_A_PAGE = 50


def _is_fragment(request: HttpRequest) -> bool:
    """Whether a part of a page is asked for: by a script, and not for going back to a page."""
    htmx: Any = request.htmx  # type: ignore[attr-defined]  # django-htmx
    return bool(htmx) and not htmx.history_restore_request


@visible_to_visitors
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The three branches to browse, one folder of them (``?at=``), or the leaves that a search found (``?q=`` and
    the other fields of the form).
    """
    form = SearchForm(request.GET, user=request.user)
    if not form.is_valid() or form.wanted.anything:
        return render(request, "tree/search.html", {"form": form, **_search(request, form)})
    at = request.GET.get("at", "").strip("/")
    if at:
        folder = _folder_or_404(at)
        opened = queries.open_folder(at, request.user, _piece(request))
        above = [(folder_words(path), path) for _name, path in folders_above(at)]
        return render(request, "tree/folder.html", {"form": form, "folder": folder, "above": above, "opened": opened})
    shown = queries.branches(request.user)
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


def _search(request: HttpRequest, form: SearchForm) -> dict[str, Any]:
    wanted = form.wanted
    if form.errors or not wanted.anything:
        return {"page": None}
    found = searching.search(wanted, user=request.user)
    page = Paginator(found.leaves, _RESULTS_A_PAGE).get_page(request.GET.get("page"))
    leaves = searching.in_order(list(page.object_list))
    pieces = searching.excerpts(leaves, wanted.words)
    rows = [(row, pieces.get(row.leaf.pk, "")) for row in queries.leaf_rows(leaves, request.user)]
    return {"page": page, "rows": rows, "more": found.more, "wanted": wanted, **_instead(request, wanted, found)}


def _instead(request: HttpRequest, wanted: searching.Wanted, found: searching.Found) -> dict[str, Any]:
    """Where nothing has the words: leaves that are about something like them."""
    if found.leaves or not wanted.words:
        return {}
    near, note = nearest.nearest_to_text(wanted.words, 5, ask_model=request.user.is_authenticated)
    return {"near": near, "note": note}


def _folder_or_404(path: str) -> Folder:
    if "\0" in path:  # PostgreSQL does not even look for it
        raise Http404
    return get_object_or_404(Folder, path=path)


def _piece(request: HttpRequest) -> int:
    text = request.GET.get("piece", "")
    return int(text) if text.isdecimal() and 0 < len(text) < 6 and int(text) > 0 else 1


@visible_to_visitors
@require_safe
def folder(request: HttpRequest) -> HttpResponse:
    """The inside of one folder, fetched when it is opened (a fragment); of a large one, the next piece."""
    path = _folder_or_404(request.GET.get("path", "")).path
    piece = _piece(request)
    opened = queries.open_folder(path, request.user, piece)
    return render(request, "tree/_inside.html" if piece == 1 else "tree/_leaf_rows.html", {"opened": opened})


@visible_to_visitors
@require_safe
def places(request: HttpRequest) -> HttpResponse:
    """Where in the tree a text belongs (``?text=``, ``?branch=``): folders with the leaves that are most like it."""
    form = PlaceForm(request.GET if "text" in request.GET else None)
    context: dict[str, Any] = {"form": form}
    if form.is_bound and form.is_valid():
        found, note = nearest.places_for(
            form.cleaned_data["text"],
            branch=form.cleaned_data["branch"],
            ask_model=request.user.is_authenticated,
        )
        context |= {"places": found, "note": note}
    template = "tree/_places.html" if _is_fragment(request) else "tree/places.html"
    return render(request, template, context, status=422 if form.errors else 200)


@visible_to_visitors
@require_safe
def at_path(request: HttpRequest, path: str) -> HttpResponse:
    """The leaf, or the folder, that is at a place now."""
    place = path.strip("/")
    if "\0" in place:
        raise Http404
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
    changes, more_changes = versions.history_of(shown, _CHANGES_SHOWN)
    return render(
        request,
        "tree/leaf.html",
        {
            "leaf": shown,
            "above": [(folder_words(path), path) for _name, path in shown.folders],
            "page": page,
            "groups": queries.seed_groups(page),
            "as_written": request.GET.get("as") == "written",
            "attribution": queries.attribution_of(shown),
            "contributors": queries.contributors_of(shown),
            "changes": changes,
            "more_changes": more_changes,
            "submissions": queries.submissions_of(shown, request.user),
            "open_submissions": open_submissions([shown.leaf_id], request.user).get(shown.leaf_id, 0),
            "scores": leaf_scores(shown.leaf_id, user=request.user),
        },
    )


@visible_to_visitors
@require_safe
def history(request: HttpRequest, leaf_id: uuid.UUID) -> HttpResponse:
    """Every change of a leaf, newest first."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    steps = shown.versions.select_related("leaf").order_by("-position")
    page = Paginator(steps, _CHANGES_A_PAGE).get_page(request.GET.get("page"))
    changes = versions.changes_with_people(list(page.object_list))
    return render(request, "tree/history.html", {"leaf": shown, "page": page, "changes": changes})


@visible_to_visitors
@require_safe
def version(request: HttpRequest, leaf_id: uuid.UUID, position: int) -> HttpResponse:
    """One change of a leaf beside what was there before, field by field."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    try:
        step = versions.change_shown(shown, position, request.user)
    except LeafVersion.DoesNotExist as error:
        raise Http404 from error
    return render(request, "tree/version.html", {"leaf": shown, "step": step})


@visible_to_visitors
@require_safe
def related(request: HttpRequest, leaf_id: uuid.UUID) -> HttpResponse:
    """Leaves that are about something like it: a card of the leaf's page, or a page of its own without scripts."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    template = "tree/_related.html" if _is_fragment(request) else "tree/related.html"
    return render(request, template, {"leaf": shown, "near": nearest.nearest_to_leaf(shown)})


@visible_to_visitors
@require_safe
def document(request: HttpRequest, leaf_id: uuid.UUID, name: str) -> HttpResponse:
    """A document of a knowledge leaf as its author wrote it."""
    shown = get_object_or_404(Leaf, leaf_id=leaf_id)
    try:
        text = queries.document_text(shown, name)
    except ObjectDoesNotExist as error:
        raise Http404 from error
    is_markdown = name.lower().endswith((".md", ".markdown"))
    return render(
        request, "tree/document.html", {"leaf": shown, "name": name, "text": text, "is_markdown": is_markdown}
    )


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
