"""The search of the taxonomy, kept in the address."""

from __future__ import annotations

from django import forms

from taxonomy_app.tree.models import Branch, Kind


class SearchForm(forms.Form):
    q = forms.CharField(
        label="Search the taxonomy",
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "placeholder": "Words of a title, a task, a question or an answer",
                "data-search-field": True,
                "autocomplete": "off",
            }
        ),
    )
    branch = forms.ChoiceField(label="Branch", required=False, choices=[("", "All branches"), *Branch.choices])
    kind = forms.ChoiceField(label="Kind", required=False, choices=[("", "All kinds"), *Kind.choices])
