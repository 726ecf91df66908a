"""The forms of accounts. What they allow is decided by the model and the services."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.people.models import Role, User

ADVICE_ON_PASSWORDS = lazy("At least 10 characters; not a common password, and not like your name or e-mail address.")
USERNAME_HELP = lazy("Part of the address of your page and shown with what you contribute. It cannot be changed later.")


class SignInForm(forms.Form):
    identifier = forms.CharField(
        label=lazy("Username or e-mail address"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=lazy("Password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class RegistrationForm(forms.ModelForm):
    """A new contributor."""

    password = forms.CharField(
        label=lazy("Password"),
        strip=False,
        help_text=ADVICE_ON_PASSWORDS,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields = ("name", "username", "email")
        help_texts: ClassVar[dict[str, str]] = {"username": USERNAME_HELP}
        widgets: ClassVar[dict[str, Any]] = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "username": forms.TextInput(
                attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
            ),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["name"].label = _("Your name")

    def _post_clean(self) -> None:
        """The password is measured against the account as it will be (Django's own forms do it here, too)."""
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        password = self.cleaned_data.get("password")
        if password:
            try:
                validate_password(password, self.instance)
            except ValidationError as error:
                self.add_error("password", error)


class PersonForm(forms.ModelForm):
    """An account that an administrator opens for somebody; the password is chosen by its owner through a link."""

    class Meta:
        model = User
        fields = ("name", "username", "email", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["name"].label = _("Name")


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("name", "email", "language")
        widgets: ClassVar[dict[str, Any]] = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["language"] = forms.ChoiceField(
            label=_("Language"),
            required=False,
            choices=[("", _("Like the browser")), *settings.LANGUAGES],
            help_text=_("Of the pages, and of the e-mails that you get."),
        )


class NewPasswordForm(forms.Form):
    """A new password; who sets it is known otherwise (by a link)."""

    password = forms.CharField(
        label=lazy("New password"),
        strip=False,
        help_text=ADVICE_ON_PASSWORDS,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.person)
        return password


class PasswordChangeForm(NewPasswordForm):
    """A new password by somebody signed in, who must know the old one."""

    old_password = forms.CharField(
        label=lazy("Current password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("old_password", "password")

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        if not self.person.check_password(old):
            raise ValidationError(_("This is not your current password. Type it again."))
        return old


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=lazy("Role"), choices=Role.choices)
    reason = forms.CharField(label=lazy("Reason"), required=False, max_length=300)


class ReasonForm(forms.Form):
    reason = forms.CharField(label=lazy("Reason"), required=False, max_length=300)


class PeopleFilterForm(forms.Form):
    """The people list's filter, kept in the address."""

    q = forms.CharField(label=lazy("Name or e-mail address"), required=False, max_length=200)
    role = forms.ChoiceField(label=lazy("Role"), required=False, choices=[("", lazy("All roles")), *Role.choices])


__all__ = [
    "NewPasswordForm",
    "PasswordChangeForm",
    "PeopleFilterForm",
    "PersonForm",
    "ProfileForm",
    "ReasonForm",
    "RegistrationForm",
    "RoleForm",
    "SignInForm",
]
