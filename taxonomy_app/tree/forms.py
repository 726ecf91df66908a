"""What the taxonomy's pages are asked, kept in the address."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.tree.leaf_states import FOR_PEOPLE_ONLY, STATES
from taxonomy_app.tree.models import Branch, Kind
from taxonomy_app.tree.searching import Wanted
from taxonomy_app.tree.similarity.nearest import LONGEST_TEXT


class SearchForm(forms.Form):
    """Each field narrows the search; ``wanted`` is what it asks for. What is not understood is told at its field."""

    q = forms.CharField(
        label=lazy("Search the taxonomy"),
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "placeholder": lazy("Words of a title, a task, a question or an answer"),
                "data-search-field": True,
                "autocomplete": "off",
            }
        ),
    )
    branch = forms.ChoiceField(
        label=lazy("Part of the taxonomy"), required=False, choices=[("", lazy("All parts")), *Branch.choices]
    )
    kind = forms.ChoiceField(label=lazy("Kind"), required=False, choices=[("", lazy("All kinds")), *Kind.choices])
    place = forms.CharField(
        label=lazy("Place begins with"),
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"placeholder": "knowledge/science", "autocomplete": "off"}),
    )
    author = forms.CharField(
        label=lazy("Contributor"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": lazy("A name"), "autocomplete": "off"}),
    )
    state = forms.ChoiceField(label=lazy("State"), required=False)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {key: words for key, words in STATES.items() if user.is_authenticated or key not in FOR_PEOPLE_ONLY}
        self.fields["state"].choices = [("", _("Any state")), *known.items()]  # type: ignore[attr-defined]  # a ChoiceField

    @property
    def wanted(self) -> Wanted:
        """What was understood; call it after ``is_valid``."""
        given = {name: self.cleaned_data.get(name, "") for name in self.fields}
        return Wanted(words=given.pop("q"), **given)

    @property
    def narrowed(self) -> bool:
        """Whether a field other than the words is used, or was filled in wrongly: then these fields are shown open."""
        return self.wanted.narrowed or bool(self.errors)


class PlaceForm(forms.Form):
    """A text whose place in the tree is looked for."""

    text = forms.CharField(
        max_length=LONGEST_TEXT, error_messages={"required": lazy("Write a sentence about it first.")}
    )
    branch = forms.ChoiceField(
        label=lazy("Part of the taxonomy"), required=False, choices=[("", lazy("Any part")), *Branch.choices]
    )
