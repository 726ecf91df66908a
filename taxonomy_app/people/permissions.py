"""Who may open a view: decorators for every view and fragment. What one sees inside is the QuerySets' matter."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

View = Callable[..., HttpResponse]


def sign_in_redirect(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and back afterwards. A fragment's request sends the whole page there, not the fragment."""
    if getattr(request, "htmx", False):
        page = request.htmx.current_url_abs_path or reverse("web:home")  # type: ignore[attr-defined]  # django-htmx
        response = HttpResponse(status=401)
        response.headers["HX-Redirect"] = redirect_to_login(page, reverse("people:sign_in")).url  # type: ignore[attr-defined]  # a redirect has one
        return response
    # After a POST the person comes back to the page, not to an address that takes no GET.
    back = request.get_full_path() if request.method in ("GET", "HEAD") else reverse("web:home")
    return redirect_to_login(back, reverse("people:sign_in"))


def _guarded(allowed: Callable[[Any], bool], refusal: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return sign_in_redirect(request)
            if not allowed(request.user):
                raise PermissionDenied(refusal)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


signed_in = _guarded(lambda user: True, "")
reviewer_required = _guarded(
    lambda user: user.can_review, lazy("Only reviewers may do this. Ask an administrator for the role.")
)
administrator_required = _guarded(lambda user: user.can_administer, lazy("Only administrators may do this."))


def visible_to_visitors(view: View) -> View:
    """Open to everyone on a public site (``SEEDBED_PUBLIC``), to people with an account otherwise."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.PUBLIC and not request.user.is_authenticated:
            return sign_in_redirect(request)
        return view(request, *args, **kwargs)

    return guarded


__all__ = ["administrator_required", "reviewer_required", "sign_in_redirect", "signed_in", "visible_to_visitors"]
