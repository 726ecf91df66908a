"""What every page knows: the site, the theme, the places in the navigation and the reviewer's count."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from taxonomy_app.web import languages
from taxonomy_app.web.navigation import places, unread_notices
from taxonomy_app.web.script_words import script_words
from taxonomy_app.web.shortcuts import shortcuts_of
from taxonomy_app.web.themes import theme_of


def site(request: HttpRequest) -> dict[str, Any]:
    """Template variables of every page. The navigation is lazy: a fragment without it asks the database nothing."""
    return {
        "site_public": settings.PUBLIC,
        "site_demo": settings.DEMO,
        "site_emails": settings.EMAIL is not None,
        "site_version": settings.CODE_VERSION,
        "theme": theme_of(request),
        "languages": languages.NAMES,
        "script_words": script_words,
        "shortcuts_on": shortcuts_of(request),
        "navigation": SimpleLazyObject(lambda: places(request)),
        "unread_notices": SimpleLazyObject(lambda: unread_notices(request.user)),
    }
