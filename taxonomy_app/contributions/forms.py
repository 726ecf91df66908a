"""Forms of single questions; the draft's own fields are read by ``document.form_from_fields``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Decision, Kind
from taxonomy_app.contributions.review_models import MOST_APPROVALS
from taxonomy_app.people.models import Role, User

KIND_CHOICES = [
    (
        Kind.FREEFORM,
        lazy("A skill: the model answers from what it can do, such as writing a haiku or explaining a word"),
    ),
    (
        Kind.GROUNDED,
        lazy("A skill with a text to work on: every question comes with a text, such as summarising a letter"),
    ),
    (
        Kind.KNOWLEDGE,
        lazy("Knowledge: facts from a document that you provide, such as the history of a town"),
    ),
]


def folder_name(text: str) -> str:
    """A name in plain words as a folder's name: ``Écrire des haïkus`` → ``ecrire_des_haikus``.

    Only spaces, capitals and accents are folded; anything else stays, so that the path check can speak about it.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.strip()) if not unicodedata.combining(c))
    return re.sub(r"\s+", "_", plain.lower())


class NewLeafForm(forms.Form):
    """What kind of leaf, and where in the tree. ``path`` is the result."""

    kind = forms.ChoiceField(
        label=lazy("What do you want to teach?"), choices=KIND_CHOICES, widget=forms.RadioSelect, initial=Kind.FREEFORM
    )
    folder = forms.CharField(
        label=lazy("Folder in the tree"),
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "writing/poems", "list": "places", "autocomplete": "off"}),
        help_text=lazy("Choose one that exists or write a new one; / goes one folder deeper."),
    )
    name = forms.CharField(
        label=lazy("Name of the leaf"),
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "haiku", "autocomplete": "off"}),
        help_text=lazy("Short and telling. Spaces become underscores."),
    )

    @property
    def path(self) -> str:
        branch = documents.BRANCH_OF_KIND[Kind(self.cleaned_data["kind"])]
        folder = "/".join(folder_name(part) for part in self.cleaned_data["folder"].strip().strip("/").split("/"))
        if folder == branch or folder.startswith(f"{branch}/"):
            folder = folder.removeprefix(branch).strip("/")
        return "/".join(part for part in (branch, folder, folder_name(self.cleaned_data["name"])) if part)


class DecisionForm(forms.Form):
    """A reviewer's decision on the revision that the page showed."""

    verdict = forms.ChoiceField(choices=Decision.Verdict.choices)
    revision = forms.IntegerField(min_value=1)
    canned = forms.CharField(required=False)
    reason = forms.CharField(required=False)
    step_in = forms.BooleanField(required=False)

    def whole_reason(self) -> str:
        """The canned sentence and the reviewer's own words, each on its line."""
        data: dict[str, Any] = self.cleaned_data
        return "\n".join(part for part in (data["canned"].strip(), data["reason"].strip()) if part)


class RuleForm(forms.Form):
    """What a rule of reviewing says; ``version`` is the one that the page showed."""

    approvals = forms.IntegerField(
        label=lazy("Approvals needed"),
        min_value=1,
        max_value=MOST_APPROVALS,
        help_text=lazy(
            "By so many different people, never by the author. A new version or a move asks for them again."
        ),
    )
    reviewers = forms.ModelMultipleChoiceField(
        label=lazy("Who decides"),
        queryset=User.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=lazy("With nobody chosen every reviewer decides. The others may comment."),
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, named: Sequence[int] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        able = Q(role__in=(Role.REVIEWER, Role.ADMINISTRATOR), is_active=True)
        # Also who is named and cannot review any more: an administrator sees it and takes them out.
        field: Any = self.fields["reviewers"]
        field.queryset = User.objects.filter(able | Q(pk__in=list(named))).order_by("name", "username")


class NewRuleForm(RuleForm):
    """A rule for a place that has none yet."""

    path = forms.CharField(
        label=lazy("Place in the tree"),
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "knowledge/health", "list": "folders", "autocomplete": "off"}),
        help_text=lazy("A branch or a folder, whether it is there yet or not. The rule holds for everything below it."),
    )
    field_order: ClassVar[list[str]] = ["path", "approvals", "reviewers"]


# Sentences that fit most requests and rejections; the reviewer adds what is particular.
CANNED_REASONS = (
    lazy("Some answers are wrong or cannot be checked. Please correct them or name a source."),
    lazy("The seeds are too alike. Please vary topics and wording so that the model learns the task, not one case."),
    lazy("Questions cannot be understood without knowing the document. Please make each stand on its own."),
    lazy("The style differs from seed to seed. Please let all answers follow the same pattern."),
    lazy("It belongs elsewhere in the tree. Please choose the place named below."),
    lazy("Another leaf teaches this already. Please improve that one instead."),
    lazy("The source or its licence is not clear. Please complete the attribution."),
)
