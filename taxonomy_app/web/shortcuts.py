"""Whether a person wants single keys to do something, kept in a cookie. Which there are, the pages say."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

COOKIE = "shortcuts"
CHOICES = ("on", "off")
_YEAR_SECONDS = 365 * 24 * 3600


def shortcuts_of(request: HttpRequest) -> bool:
    """On unless they were switched off (WCAG 2.1.4 asks for a way to)."""
    return request.COOKIES.get(COOKIE) != "off"


def remember(response: HttpResponse, choice: str, *, secure: bool) -> None:
    """Put the choice into the answer; what is on by itself needs no cookie."""
    if choice == "on":
        response.delete_cookie(COOKIE, samesite="Lax")
    else:
        response.set_cookie(COOKIE, choice, max_age=_YEAR_SECONDS, samesite="Lax", httponly=True, secure=secure)
