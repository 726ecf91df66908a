"""Times as the reader's clock shows them: the browser's time zone comes in a cookie that a script writes."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE = "zone"


@cache
def _known() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


class ReadersZoneMiddleware:
    """Shows every time of a page in the reader's zone; without a known one in that of the settings (UTC)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get(COOKIE, "")
        if name not in _known():
            return self.get_response(request)
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return self.get_response(request)
