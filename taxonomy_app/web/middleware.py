"""The content security policy that every answer carries: everything from this site, no inline script or style."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject


class ContentSecurityPolicyMiddleware:
    """Sets the policy. A page whose editor must add a style element reads ``request.csp_nonce``, which allows its own.

    The nonce is part of the policy only of pages that asked for it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        handed_out: list[str] = []

        def hand_out() -> str:
            handed_out.append(secrets.token_urlsafe(18))
            return handed_out[0]

        request.csp_nonce = SimpleLazyObject(hand_out)  # type: ignore[attr-defined]  # read by templates
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy(handed_out[0] if handed_out else None))
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
        return response


def policy(nonce: str | None = None) -> str:
    """The policy's text; ``nonce`` allows style elements that carry it. Images may be data: (icons of the styles)."""
    styles = "style-src 'self'" + (f" 'nonce-{nonce}'" if nonce else "")
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            styles,
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
