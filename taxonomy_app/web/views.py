"""The start page by role, health, the theme, and what browsers and robots ask every site for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_POST, require_safe

from taxonomy_app.people.services import person_choose_language
from taxonomy_app.web import health as checks
from taxonomy_app.web import languages, themes
from taxonomy_app.web import shortcuts as keys
from taxonomy_app.web.start import start_page


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What Seedbed is and what to do next, by role."""
    shown = start_page(request.user)
    if request.user.is_authenticated:
        shown["greeting"] = _("Welcome, %(name)s") % {"name": request.user.get_short_name()}
    return render(request, "web/home.html", shown)


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """How a seed becomes part of a release, in words."""
    return render(request, "web/about.html")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the chosen colours and go back to where the person was."""
    chosen = request.POST.get("theme", "")
    if chosen not in themes.THEMES:
        return _unknown_choice(themes.THEMES)
    response: HttpResponse = HttpResponse(status=204) if request.htmx else HttpResponseRedirect(_back(request))  # type: ignore[attr-defined]  # django-htmx
    themes.remember(response, chosen, secure=settings.HTTPS)
    return response


@require_POST
def shortcuts(request: HttpRequest) -> HttpResponse:
    """Switch single keys on or off and go back to where the person was."""
    chosen = request.POST.get("shortcuts", "")
    if chosen not in keys.CHOICES:
        return _unknown_choice(keys.CHOICES)
    response = HttpResponseRedirect(_back(request))
    keys.remember(response, chosen, secure=settings.HTTPS)
    return response


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Remember the chosen language, in the account of whoever is signed in, and go back to where the person was."""
    chosen = request.POST.get("language", "")
    if chosen not in languages.NAMES:
        return _unknown_choice(languages.NAMES)
    if request.user.is_authenticated:
        person_choose_language(person=request.user, language=chosen)
    response = HttpResponseRedirect(_back(request))
    languages.remember(response, chosen, secure=settings.HTTPS)
    return response


def _unknown_choice(choices: Iterable[str]) -> HttpResponse:
    sentence = _("Choose one of: %(choices)s.") % {"choices": ", ".join(choices)}
    return HttpResponse(sentence, status=400, content_type="text/plain; charset=utf-8")


def _back(request: HttpRequest) -> str:
    """The page that the person was on, if it is of this site."""
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return back
    return reverse("web:home")


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Whether each thing the site needs answers; 503 when one does not. Visitors are told which, not why."""
    found = checks.examine()
    told: dict[str, Any] = {"status": "ok" if all(part.ok for part in found) else "down"}
    told["parts"] = {
        part.name: {
            "ok": part.ok,
            "seconds": round(part.seconds, 4),
            **({"problem": part.problem} if part.problem else {}),
        }
        for part in found
    }
    told["queues"] = checks.queues()
    told["emails"] = checks.emails()
    return JsonResponse(told, status=200 if told["status"] == "ok" else 503)


@cache_control(max_age=3600)
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """A public site may be read by robots except where only people work; a closed one not at all."""
    rules = (
        ["Disallow: /people/", "Disallow: /contributions/", "Disallow: /health/"]
        if settings.PUBLIC
        else ["Disallow: /"]
    )
    return HttpResponse("\n".join(["User-agent: *", *rules, ""]), content_type="text/plain; charset=utf-8")


@cache_control(max_age=3600)
@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """The web app manifest."""
    return JsonResponse(
        {
            "name": "Seedbed",
            "short_name": "Seedbed",
            "start_url": reverse("web:home"),
            "display": "minimal-ui",
            "background_color": "#f5f3ec",
            "theme_color": "#2c6140",
            "icons": [{"src": static("web/favicon.svg"), "sizes": "any", "type": "image/svg+xml"}],
        },
        content_type="application/manifest+json",
    )


@cache_control(max_age=86_400)
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """The address that browsers try by themselves."""
    return redirect(static("web/favicon.svg"))
