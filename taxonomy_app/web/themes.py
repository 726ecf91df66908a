"""The colour theme a person chose, kept in a cookie so that a page comes painted right without any script."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

COOKIE = "theme"
THEMES = ("system", "light", "dark")
_YEAR_SECONDS = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """``light``, ``dark``, or ``system`` where nothing (or nothing known) was chosen."""
    chosen = request.COOKIES.get(COOKIE, "system")
    return chosen if chosen in THEMES else "system"


def remember(response: HttpResponse, theme: str, *, secure: bool) -> None:
    """Put the choice into the answer; following the system needs no cookie."""
    if theme == "system":
        response.delete_cookie(COOKIE, samesite="Lax")
    else:
        response.set_cookie(COOKIE, theme, max_age=_YEAR_SECONDS, samesite="Lax", httponly=True, secure=secure)
