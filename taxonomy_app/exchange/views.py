"""The administrators' pages of import, export and remotes, and the door for code hosts' messages."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.exchange import services, webhook
from taxonomy_app.exchange.forms import (
    DocumentForm,
    ExportForm,
    ImportFileForm,
    ImportRemoteForm,
    RemoteForm,
    add_errors,
)
from taxonomy_app.exchange.models import Remote, RemoteChange, Transfer
from taxonomy_app.people.permissions import administrator_required
from taxonomy_app.tree.models import Leaf
from taxonomy_app.tree.queries import totals
from taxonomy_repo.leaf import DOCUMENT_REPOSITORY

_TRANSFERS_SHOWN = 10
_A_PAGE = 50
_LEAVES_NAMED = 20


@administrator_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Remotes, import, export, documents, and what came in or went out lately."""
    return _home(request)


def _home(request: HttpRequest, status: int = 200, **given: forms.Form) -> HttpResponse:
    """The page, with the form that was filled in wrongly in the place of its empty one."""
    lacking = Leaf.objects.present().filter(document__isnull=False).exclude(document__repo=DOCUMENT_REPOSITORY)
    lacking = lacking.exclude(document__code="").order_by("path")
    shown: dict[str, Any] = {
        "remotes": Remote.objects.all(),
        "totals": totals(),
        "import_file_form": ImportFileForm(prefix="file"),
        "import_remote_form": ImportRemoteForm(prefix="remote"),
        "export_form": ExportForm(prefix="export"),
        "document_form": DocumentForm(prefix="document"),
        "lacking": lacking[:_LEAVES_NAMED],
        "lacking_count": lacking.count(),
        **_recent(),
        **given,
    }
    return render(request, "exchange/home.html", shown, status=status)


def _recent() -> dict[str, Any]:
    recent = list(Transfer.objects.newest_first()[:_TRANSFERS_SHOWN])
    return {"transfers": recent, "under_way": any(one.under_way for one in recent)}


@administrator_required
@require_safe
def transfers(request: HttpRequest) -> HttpResponse:
    """All transfers, newest first; as a fragment, the newest of them for the page that waits for one to end."""
    if getattr(request, "htmx", False):
        return render(request, "exchange/_transfers.html", _recent())
    page = Paginator(Transfer.objects.newest_first(), _A_PAGE).get_page(request.GET.get("page"))
    return render(request, "exchange/transfers.html", {"page": page, "transfers": page, "under_way": False})


@administrator_required
@require_safe
def transfer(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One transfer and what came of it."""
    shown = get_object_or_404(Transfer.objects.newest_first(), pk=pk)
    template = "exchange/_transfer.html" if getattr(request, "htmx", False) else "exchange/transfer.html"
    return render(request, template, {"transfer": shown})


@administrator_required
@require_safe
def download(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The archive that an export made, as long as it is kept."""
    made = get_object_or_404(Transfer, pk=pk, kind=Transfer.Kind.EXPORT, state=Transfer.State.DONE)
    try:
        file = services.file_path(made.file).open("rb") if made.file else None
    except FileNotFoundError:
        file = None
    if file is None:
        raise Http404(_("This archive is not kept any more."))
    changed = "-changes" if made.parameters.get("since") else ""
    name = f"taxonomy-{made.parameters['commit'][:12]}{changed}.{made.parameters['kind']}"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/octet-stream")


# --- Asking -----------------------------------------------------------------------------------------


@administrator_required
@require_POST
def import_file(request: HttpRequest) -> HttpResponse:
    """Take in an uploaded archive."""
    form = ImportFileForm(request.POST, request.FILES, prefix="file")
    return _import(request, form, "import_file_form", lambda: {"upload": form.cleaned_data["archive"]})


@administrator_required
@require_POST
def import_remote(request: HttpRequest) -> HttpResponse:
    """Take in a repository on a code host, with its history."""
    form = ImportRemoteForm(request.POST, prefix="remote")
    return _import(request, form, "import_remote_form", lambda: {"address": form.place()})


def _import(request: HttpRequest, form: Any, name: str, source: Callable[[], dict[str, Any]]) -> HttpResponse:
    """Ask for an import of what ``source`` says, or show the page again with ``form`` under its ``name``."""
    if form.is_valid():
        try:
            mode = form.cleaned_data["mode"]
            return redirect(services.import_request(by=request.user, now=timezone.now(), mode=mode, **source()))
        except ValidationError as error:
            add_errors(form, error)
    return _home(request, 422, **{name: form})


@administrator_required
@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """Make an archive of everything, or of what changed."""
    form = ExportForm(request.POST, prefix="export")
    if form.is_valid():
        since = form.cleaned_data["since"]
        try:
            made = services.export_request(
                by=request.user,
                now=timezone.now(),
                kind=form.cleaned_data["kind"],
                since=since,
                title=form.titles.get(since, ""),
            )
            return redirect(made)
        except ValidationError as error:
            add_errors(form, error)
    return _home(request, 422, export_form=form)


@administrator_required
@require_POST
def document_add(request: HttpRequest) -> HttpResponse:
    """Take a document into the installation's own."""
    form = DocumentForm(request.POST, request.FILES, prefix="document")
    if form.is_valid():
        try:
            made = services.document_request(
                by=request.user,
                now=timezone.now(),
                upload=form.cleaned_data["document"],
                name=form.cleaned_data["name"].strip().strip("/"),
            )
            return redirect(made)
        except ValidationError as error:
            add_errors(form, error)
    return _home(request, 422, document_form=form)


@administrator_required
@require_POST
def documents_fetch(request: HttpRequest) -> HttpResponse:
    """Try again to fetch the documents that lie elsewhere."""
    now = timezone.now()
    return redirect(services.documents_request(by=request.user, now=now, tried_before=now))


# --- Remotes ----------------------------------------------------------------------------------------


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
def remote_add(request: HttpRequest) -> HttpResponse:
    """A new remote."""
    form = RemoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.remote_add(by=request.user, now=timezone.now(), **form.cleaned_data)
        except ValidationError as error:
            add_errors(form, error)
        else:
            services.sync_request(remote=made, by=request.user, now=timezone.now())
            messages.success(request, _("%(name)s was added and is being synchronised.") % {"name": made.name})
            return redirect(made)
    return render(request, "exchange/remote_add.html", {"form": form}, status=422 if form.errors else 200)


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
def remote(request: HttpRequest, name: str) -> HttpResponse:
    """One remote: how it stands, what both sides changed, its settings and history."""
    shown = get_object_or_404(Remote, name=name)
    form = RemoteForm(request.POST or None, remote=shown)
    if request.method == "POST" and form.is_valid():
        try:
            services.remote_change(remote=shown, by=request.user, now=timezone.now(), **form.cleaned_data)
        except ValidationError as error:
            add_errors(form, error)
        else:
            messages.success(request, _("The settings were saved."))
            return redirect(shown)
    return _remote(request, Remote.objects.get(pk=shown.pk), form, 422 if form.errors else 200)


def _remote(request: HttpRequest, shown: Remote, form: RemoteForm, status: int, undecided: str = "") -> HttpResponse:
    recent = list(Transfer.objects.newest_first().filter(remote=shown)[:_TRANSFERS_SHOWN])
    return render(
        request,
        "exchange/remote.html",
        {
            "remote": shown,
            "form": form,
            "transfers": recent,
            "under_way": any(one.under_way for one in recent),
            "changes": RemoteChange.objects.filter(remote_name=shown.name).select_related("person")[:_A_PAGE],
            "undecided": undecided,
        },
        status=status,
    )


@administrator_required
@require_POST
def remote_sync(request: HttpRequest, name: str) -> HttpResponse:
    """Synchronise now."""
    shown = get_object_or_404(Remote, name=name)
    return redirect(services.sync_request(remote=shown, by=request.user, now=timezone.now()))


@administrator_required
@require_POST
def remote_decide(request: HttpRequest, name: str) -> HttpResponse:
    """Say whose version counts of each leaf that both sides changed."""
    shown = get_object_or_404(Remote, name=name)
    decided = {
        conflict["path"]: request.POST.get(f"leaf-{number}", "")
        for number, conflict in enumerate(shown.conflicts, 1)
        # What the page showed under this number; another one may stand there by now.
        if request.POST.get(f"path-{number}") == conflict["path"]
    }
    try:
        made = services.conflicts_decide(remote=shown, decided=decided, by=request.user, now=timezone.now())
    except ValidationError as error:
        return _remote(request, shown, RemoteForm(remote=shown), 422, " ".join(error.messages))
    return redirect(made)


@administrator_required
@require_POST
def remote_remove(request: HttpRequest, name: str) -> HttpResponse:
    """Forget a remote."""
    shown = get_object_or_404(Remote, name=name)
    services.remote_remove(remote=shown, by=request.user, now=timezone.now())
    messages.success(request, _("%(name)s was removed. What came from there stays in the taxonomy.") % {"name": name})
    return redirect("exchange:home")


# --- The door for code hosts --------------------------------------------------------------------------


@csrf_exempt
@require_POST
def hook(request: HttpRequest, name: str) -> HttpResponse:
    """A code host says that something was pushed: the remote is asked soon. Believed by its signature alone."""
    known = Remote.objects.filter(name=name).first()
    if not webhook.is_signed(request.body, request.headers, webhook.secret_of(known)) or known is None:
        return HttpResponse("The signature is missing or wrong.\n", status=403, content_type="text/plain")
    if not webhook.concerns(request.body, known.branch):
        return HttpResponse("Another branch; nothing to do.\n", content_type="text/plain")
    services.sync_request(remote=known, by=None, now=timezone.now())
    return HttpResponse("It will be fetched.\n", status=202, content_type="text/plain")
