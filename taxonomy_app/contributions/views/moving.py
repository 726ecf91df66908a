"""The page on which a reviewer moves a submission to another place in the tree.

``contributions:move`` (POST): ``path`` (the leaf's folder, its name at the end), ``reason``, ``seen`` (the place that
the page showed), ``step_in`` (any value; an administrator whom the place's rule does not name), ``filter`` (the queue's
query). Answers with a redirect to the desk.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.models import Kind
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.contributions.rules import Rules
from taxonomy_app.contributions.views.reviewing import back_to_review, filter_of, reviewed_or_404, why_not
from taxonomy_app.people.permissions import reviewer_required
from taxonomy_app.tree.models import Folder

# Of the folders so many are offered; more are typed.
MOST_FOLDERS = 200


@reviewer_required
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    refused, status = "", 200
    if request.method == "POST":
        try:
            services.submission_move(
                submission=found,
                reviewer=request.user,
                path=request.POST.get("path", ""),
                reason=request.POST.get("reason", ""),
                seen_path=request.POST.get("seen"),
                step_in="step_in" in request.POST,
                now=timezone.now(),
            )
        except Refused as error:
            refused, status = error.sentence, 409 if isinstance(error, ChangedMeanwhile) else 422
            found = reviewed_or_404(pk)
        else:
            messages.success(
                request,
                _("%(number)s goes to %(path)s now. Its author is told.")
                % {"number": found.number, "path": found.path},
            )
            return back_to_review(request, found)
    branch = documents.BRANCH_OF_KIND[Kind(found.kind)]
    context = {
        "submission": found,
        "filter": filter_of(request).query(),
        "path": request.POST.get("path", found.path),
        "reason": request.POST.get("reason", ""),
        "refused": refused,
        "why_not": why_not(found, request.user),
        "standing": Rules.load().standing(request.user, found.path),
        "folders": Folder.objects.filter(path__startswith=f"{branch}/").order_by("path")[:MOST_FOLDERS],
        "approved": found.approvals.filter(revision__number=found.revision_number, path=found.path).count(),
    }
    return render(request, "contributions/move.html", context, status=status)
