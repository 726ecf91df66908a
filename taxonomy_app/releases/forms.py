"""The administrator's decisions about a release, as forms. Whether a decision is allowed is the services' matter."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as lazy


class PromoteForm(forms.Form):
    """``forgets``: whether the release forgets an earlier leaf, so that a reason has to be given."""

    acknowledged = forms.BooleanField(
        required=False,
        label=lazy("I accept that this release forgets"),
        error_messages={"required": lazy("Say that you accept this, or leave the current release in its place.")},
    )
    reason = forms.CharField(
        required=False,
        max_length=1000,
        label=lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": lazy("Write down why it is promoted all the same.")},
    )

    def __init__(self, *args: Any, forgets: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = forgets


class RollbackForm(forms.Form):
    reason = forms.CharField(
        max_length=1000,
        label=lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": lazy("Write down why it is rolled back.")},
    )
