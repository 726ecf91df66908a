"""Who reviews what: the rules for places in the tree. Reviewers read them, administrators edit them.

``contributions:rule_add`` and ``contributions:rule`` (POST): ``approvals`` (a number), ``reviewers`` (ids of accounts,
none for every reviewer), and ``path`` for a new one, ``version`` (as the page gave it) for one that is changed.
``contributions:rule_remove`` has no fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.contributions import services
from taxonomy_app.contributions.forms import NewRuleForm, RuleForm
from taxonomy_app.contributions.models import ReviewRule, ReviewRuleChange, Submission
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.contributions.views.moving import MOST_FOLDERS
from taxonomy_app.people.permissions import administrator_required, reviewer_required
from taxonomy_app.tree.models import Folder

MOST_CHANGES = 30


@reviewer_required
@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    context = {
        "rules": ReviewRule.objects.prefetch_related("reviewers"),
        "changes": ReviewRuleChange.objects.select_related("by")[:MOST_CHANGES],
    }
    return render(request, "contributions/rules.html", context)


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
def rule_add(request: HttpRequest) -> HttpResponse:
    form = NewRuleForm(request.POST or None, initial={"approvals": 1, "path": request.GET.get("path", "")})
    if request.method == "POST" and form.is_valid():
        try:
            made = services.rule_make(
                path=form.cleaned_data["path"],
                approvals=form.cleaned_data["approvals"],
                reviewers=list(form.cleaned_data["reviewers"]),
                by=request.user,
                now=timezone.now(),
            )
        except Refused as refused:
            form.add_error(None, refused.sentence)
        else:
            messages.success(request, _("The rule for %(path)s holds from now on.") % {"path": made.path})
            return redirect("contributions:rules")
    return _show(request, form, None)


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(ReviewRule, pk=pk)
    initial = {
        "approvals": found.approvals,
        "version": found.version,
        "reviewers": list(found.reviewers.values_list("pk", flat=True)),
    }
    form = RuleForm(request.POST or None, initial=initial, named=initial["reviewers"])
    if request.method == "POST" and form.is_valid():
        try:
            approved = services.rule_change(
                rule=found,
                version=form.cleaned_data["version"],
                approvals=form.cleaned_data["approvals"],
                reviewers=list(form.cleaned_data["reviewers"]),
                by=request.user,
                now=timezone.now(),
            )
        except Refused as refused:
            form.add_error(None, refused.sentence)
        else:
            _tell(request, _("The rule for %(path)s is changed.") % {"path": found.path}, approved)
            return redirect("contributions:rules")
    return _show(request, form, found)


@administrator_required
@require_POST
def rule_remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(ReviewRule, pk=pk)
    try:
        approved = services.rule_remove(rule=found, by=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    else:
        _tell(request, _("The rule for %(path)s is removed.") % {"path": found.path}, approved)
    return redirect("contributions:rules")


def _tell(request: HttpRequest, sentence: str, approved: Sequence[Submission]) -> None:
    more = ", ".join(submission.number for submission in approved)
    if more:
        told = _("%(submissions)s had all approvals by that and went on.") % {"submissions": more}
        sentence = f"{sentence} {told}"
    messages.success(request, sentence)


def _show(request: HttpRequest, form: Any, found: ReviewRule | None) -> HttpResponse:
    context = {"form": form, "rule": found, "folders": Folder.objects.order_by("path")[:MOST_FOLDERS]}
    return render(request, "contributions/rule.html", context, status=422 if form.errors else 200)
