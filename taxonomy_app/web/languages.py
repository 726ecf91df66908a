"""The language a person reads the pages in: the one they chose, kept in a cookie, otherwise the browser's.

The account keeps the choice, too, so that it follows the person to the next device and what is sent by e-mail is in it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language
from django.utils.translation.trans_real import get_supported_language_variant, parse_accept_lang_header

# What the pages of one language call themselves, in that language.
NAMES: dict[str, str] = dict(settings.LANGUAGES)
_YEAR_SECONDS = 365 * 24 * 3600
_NOUNS_ARE_CAPITALISED = ("de", "lb")


class ReadersLanguageMiddleware(LocaleMiddleware):
    """Answers in the reader's language, and tells caches that an answer depends on the cookie that holds it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        answered = super().process_response(request, response)
        patch_vary_headers(answered, ("Cookie",))
        return answered


def remember(response: HttpResponse, language: str, *, secure: bool) -> None:
    """Put the choice into the answer; nothing chosen means the browser's language, which needs no cookie."""
    if language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=_YEAR_SECONDS,
            samesite="Lax",
            httponly=True,
            secure=secure,
        )
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")


def mid_sentence(words: str) -> str:
    """Words of a badge or a choice inside a sentence: in lower case, unless the language writes nouns large."""
    return str(words) if (get_language() or "").startswith(_NOUNS_ARE_CAPITALISED) else str(words).lower()


def browsers_language(request: HttpRequest) -> str:
    """What the browser asks for, whatever was chosen before."""
    for accepted, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", "").lower()):
        try:
            return get_supported_language_variant(accepted)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


def in_language_of(user: Any) -> AbstractContextManager[None]:
    """A context in which texts come out in the language that ``user`` chose, else the site's: for what is sent."""
    return translation.override(getattr(user, "language", "") or settings.LANGUAGE_CODE)
