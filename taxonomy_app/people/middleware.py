"""On a site that is not public, everything but the door asks for sign-in, whatever its view says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from taxonomy_app.people.permissions import sign_in_redirect

# The door itself, what machines ask, and what the sign-in page is painted with. Static files never come this far.
OPEN_ROUTES = frozenset(
    {
        "people:sign_in",
        "people:register",  # answers that registration is closed
        "people:choose_password",
        "people:confirm_email",  # its signature is the permission
        "mail:unsubscribe",  # likewise
        "exchange:hook",  # a code host signs instead of signing in
        "web:health",
        "web:theme",
        "web:shortcuts",
        "web:language",
        "web:robots",
        "web:manifest",
        "web:favicon",
    }
)


class SignInMiddleware:
    """Sends visitors to the sign-in page when ``SEEDBED_PUBLIC`` is false."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if settings.PUBLIC or request.user.is_authenticated or (match and match.view_name in OPEN_ROUTES):
            return None
        return sign_in_redirect(request)
