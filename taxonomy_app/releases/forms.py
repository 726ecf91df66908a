"""The administrator's decisions about a release, as forms. Whether a decision is allowed is the services' matter."""

from __future__ import annotations

from django import forms


class PromoteForm(forms.Form):
    acknowledged = forms.BooleanField(required=False, label="I accept that this release forgets")
    reason = forms.CharField(required=False, max_length=1000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))


class RollbackForm(forms.Form):
    reason = forms.CharField(max_length=1000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))
