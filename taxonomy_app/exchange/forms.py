"""The forms of import, export, remotes and documents. What is allowed is decided by the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.exchange.models import Remote
from taxonomy_app.releases.models import Release
from taxonomy_repo.conversion import READ_ENDINGS
from taxonomy_repo.repository import FULL_NAME

MODES = [
    ("add", lazy("Add its leaves to those that are here")),
    ("replace", lazy("Replace the whole taxonomy by it")),
]


def add_errors(form: forms.BaseForm, error: ValidationError) -> None:
    """Put a service's objections where the form shows them."""
    if not hasattr(error, "error_dict"):
        form.add_error(None, error.messages)
        return
    for field, texts in error.message_dict.items():
        form.add_error(field if field in form.fields else None, texts)


class ImportFileForm(forms.Form):
    archive = forms.FileField(
        label=lazy("Archive"), widget=forms.ClearableFileInput(attrs={"accept": ".zip,.tar,.gz,.tgz,.bz2,.xz"})
    )
    mode = forms.ChoiceField(label=lazy("What becomes of the leaves here"), choices=MODES, initial="add")


class _PlaceForm(forms.Form):
    """Where a repository is and how to be let in."""

    url = forms.CharField(
        label=lazy("Address"),
        max_length=500,
        widget=forms.URLInput(attrs={"placeholder": "https://github.com/name/taxonomy.git", "autocomplete": "off"}),
    )
    branch = forms.CharField(label=lazy("Branch"), max_length=150, initial="main")
    username = forms.CharField(label=lazy("Name to sign in with"), max_length=100, required=False)
    token_setting = forms.CharField(
        label=lazy("Setting that holds the access token"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "SEEDBED_REMOTE_TOKEN", "autocomplete": "off"}),
    )


class ImportRemoteForm(_PlaceForm):
    mode = forms.ChoiceField(label=lazy("What becomes of the leaves here"), choices=MODES, initial="add")

    def place(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("url", "branch", "username", "token_setting")}


class RemoteForm(_PlaceForm):
    """A remote's settings; ``name`` only for a new one."""

    name = forms.SlugField(label=lazy("What it is called here"), max_length=40, initial="origin")
    secret_setting = forms.CharField(
        label=lazy("Setting that holds the webhook's secret"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "SEEDBED_WEBHOOK_SECRET", "autocomplete": "off"}),
    )
    pushes = forms.BooleanField(label=lazy("Push what is approved here"), required=False, initial=True)

    field_order = ("name", "url", "branch", "username", "token_setting", "pushes", "secret_setting")

    def __init__(self, *args: Any, remote: Remote | None = None, **kwargs: Any) -> None:
        if remote is not None:
            kwargs.setdefault("initial", {name: getattr(remote, name) for name in self.field_order})
        super().__init__(*args, **kwargs)
        if remote is not None:
            del self.fields["name"]


class ExportForm(forms.Form):
    kind = forms.ChoiceField(label=lazy("As"), choices=[("zip", lazy("a zip file")), ("tar.gz", lazy("a tar.gz file"))])
    since = forms.ChoiceField(label=lazy("What"), required=False)
    commit = forms.CharField(
        label=lazy("Version"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"placeholder": lazy("40 digits"), "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        releases = Release.objects.order_by("-created_at")[:50]
        self.titles = {release.taxonomy_commit: str(release) for release in releases if release.taxonomy_commit}
        self.fields["since"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            ("", _("Everything")),
            *(
                (commit, _("Leaves changed since %(title)s") % {"title": title})
                for commit, title in self.titles.items()
            ),
            ("commit", _("Leaves changed since the version below")),
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("since") == "commit":
            data["since"] = data.get("commit", "").strip().lower()
            if not FULL_NAME.match(data["since"]):
                self.add_error("commit", _("Give the full name of a version: 40 digits and letters from a to f."))
        return data


class DocumentForm(forms.Form):
    document = forms.FileField(
        label=lazy("Document"), widget=forms.ClearableFileInput(attrs={"accept": ",".join(READ_ENDINGS)})
    )
    name = forms.CharField(
        label=lazy("Name among the documents"),
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "places/history-of-osk.md", "autocomplete": "off"}),
    )
