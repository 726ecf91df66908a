"""The languages of the pages: every text is in each catalogue, whole, with its placeholders, and the pages use it."""

from __future__ import annotations

import gettext
import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import translation

from taxonomy_app.web.messages import Message, MessageProblem, messages_of_code, messages_of_site, messages_of_template
from taxonomy_app.web.script_words import SENTENCES
from tests.taxonomy_app.routing import PEOPLE, Route, World
from tests.taxonomy_app.test_routes import CASES, world  # noqa: F401  # a fixture
from workers.environment import PROJECT

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
# %(name)s of code and blocks, {name} of what is put together later, and the elements of a sentence's markup.
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|(?<!%)(?:%%)+|\{\w*\}|</?[a-z]\w*[^>]*>")


def catalogue(language: str) -> Any:
    from babel.messages.pofile import read_po

    with _path(language).open("rb") as file:
        return read_po(file, locale=language)


def _path(language: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"


# --- Finding the texts -----------------------------------------------------------------------------------


def test_texts_of_templates_are_found_as_django_looks_them_up() -> None:
    source = """
      {% card title=_("Seeds") hint=amount|default:_('none') %}
        {% if a %}{% translate "Save 5 %" %}{% else %}{% translate "May" context "month" %}{% endif %}
        {% blocktranslate trimmed count n=n %}
          {{ n }} <b>leaf</b>
        {% plural %}
          {{ n }} <b>leaves</b>
        {% endblocktranslate %}
      {% endcard %}"""
    assert set(messages_of_template(source, "here.html")) == {
        Message("Seeds"),
        Message("none"),
        Message("Save 5 %%"),
        Message("May", context="month"),
        Message("%(n)s <b>leaf</b>", "%(n)s <b>leaves</b>"),
    }


def test_texts_of_code_are_found_and_one_that_is_put_together_is_refused() -> None:
    source = '_("Saved."); ngettext("%(n)s seed", "%(n)s seeds", n); npgettext_lazy("ago", "a day", "days", "n")'
    assert set(messages_of_code(source, "here.py")) == {
        Message("Saved."),
        Message("%(n)s seed", "%(n)s seeds"),
        Message("a day", "days", "ago"),
    }
    with pytest.raises(MessageProblem, match=r"here\.py:1: a text to translate"):
        list(messages_of_code('_(f"{n} seeds")', "here.py"))
    with pytest.raises(MessageProblem, match="takes a text"):
        list(messages_of_template("{% translate title %}", "here.html"))
    with pytest.raises(MessageProblem, match="percent sign"):
        list(messages_of_template('{% card title=_("5 %") %}{% endcard %}', "here.html"))


# --- The catalogues -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_pages_is_translated_and_nothing_else_is_kept(language: str) -> None:
    known = catalogue(language)
    wanted = set(messages_of_site())
    kept = {
        Message(*(message.id if isinstance(message.id, tuple) else (message.id, "")), message.context or "")
        for message in known
        if message.id
    }
    assert wanted - kept == set(), "run `python manage.py translations` and translate these"
    assert kept - wanted == set(), "run `python manage.py translations`: these are not asked for any more"
    for message in known:
        if message.id:
            assert not message.fuzzy, message.id
            whole = message.string if isinstance(message.string, tuple) else (message.string,)
            assert len(whole) == (known.num_plurals if isinstance(message.id, tuple) else 1)
            assert all(text.strip() for text in whole), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_placeholders_and_the_markup(language: str) -> None:
    wrong: list[str] = []
    for message in catalogue(language):
        if not message.id:
            continue
        singular, plural = message.id if isinstance(message.id, tuple) else (message.id, "")
        if plural:
            # A singular may leave the number out, in any language.
            for text in message.string:
                if not set(PLACEHOLDER.findall(text)) <= set(PLACEHOLDER.findall(singular + plural)):
                    wrong.append(f"{plural} => {text}")
            if sorted(PLACEHOLDER.findall(message.string[-1])) != sorted(PLACEHOLDER.findall(plural)):
                wrong.append(f"{plural} => {message.string[-1]}")
        elif sorted(PLACEHOLDER.findall(singular)) != sorted(PLACEHOLDER.findall(message.string)):
            wrong.append(f"{singular} => {message.string}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_what_the_texts_say(language: str) -> None:
    with _path(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in catalogue(language):
        if not message.id:
            continue
        if isinstance(message.id, tuple):
            for number in (1, 2, 5):
                told = (
                    compiled.npgettext(message.context, *message.id, number)
                    if message.context
                    else compiled.ngettext(*message.id, number)
                )
                assert told == message.string[0 if number == 1 else 1], message.id
        else:
            told = compiled.pgettext(message.context, message.id) if message.context else compiled.gettext(message.id)
            assert told == message.string, message.id


def test_bringing_the_catalogues_up_to_date_changes_nothing_where_they_are(tmp_path: Path, settings: Any) -> None:
    here = Path(settings.LOCALE_PATHS[0])
    settings.LOCALE_PATHS = [tmp_path]
    for language in LANGUAGES:
        copy = tmp_path / language / "LC_MESSAGES" / "django.po"
        copy.parent.mkdir(parents=True)
        copy.write_bytes((here / language / "LC_MESSAGES" / "django.po").read_bytes())
    call_command("translations")
    for language in LANGUAGES:
        for name in ("django.po", "django.mo"):
            assert (tmp_path / language / "LC_MESSAGES" / name).read_bytes() == (
                here / language / "LC_MESSAGES" / name
            ).read_bytes()


def test_what_the_scripts_say_is_what_the_pages_carry() -> None:
    said: set[str] = set()
    for path in (PROJECT / "frontend" / "src").rglob("*.js"):
        if path.name != "words.js":
            said |= set(re.findall(r'\bsay\("([^"]+)"', path.read_text(encoding="utf-8")))
    assert said == set(SENTENCES)


# --- The choice ------------------------------------------------------------------------------------------------


def test_a_visitor_reads_in_the_browsers_language_until_another_is_chosen(client: Client, db: None) -> None:
    assert '<html lang="en">' in client.get("/").content.decode()
    german = client.get("/", headers={"accept-language": "de-CH,de;q=0.9,en;q=0.5"})
    assert '<html lang="de">' in german.content.decode()
    assert german.headers["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= {part.strip() for part in german.headers["Vary"].split(",")}
    assert '<html lang="en">' in client.get("/", headers={"accept-language": "fr"}).content.decode()
    answer = client.post(reverse("web:language"), {"language": "de", "next": "/taxonomy/?q=moss"})
    assert answer.url == "/taxonomy/?q=moss"
    assert '<html lang="de">' in client.get("/", headers={"accept-language": "en"}).content.decode()
    assert client.post(reverse("web:language"), {"language": "xx"}).status_code == 400
    assert client.post(reverse("web:language"), {"language": "en", "next": "https://elsewhere.example/"}).url == "/"
    assert '<html lang="en">' in client.get("/").content.decode()


def test_the_choice_goes_with_the_account_to_the_next_device(contributor: Any, client_for: Any, client: Client) -> None:
    from tests.conftest import PASSWORD

    client_for(contributor).post(reverse("web:language"), {"language": "de"})
    contributor.refresh_from_db()
    assert contributor.language == "de"
    client.post(reverse("people:sign_in"), {"identifier": contributor.username, "password": PASSWORD})
    assert '<html lang="de">' in client.get("/").content.decode()


def test_the_account_page_chooses_a_language_and_gives_the_choice_back_to_the_browser(
    contributor: Any, client_for: Any
) -> None:
    client = client_for(contributor)
    own = {"name": contributor.name, "email": contributor.email}
    german = client.post(reverse("people:profile"), {**own, "language": "de"}, follow=True).content.decode()
    assert '<html lang="de">' in german
    assert "Ihr Konto ist gespeichert." in german
    english = client.post(reverse("people:profile"), {**own, "language": ""}, follow=True).content.decode()
    assert '<html lang="en">' in english
    assert "Your account is saved." in english
    assert client.post(reverse("people:profile"), {**own, "language": "xx"}).status_code == 422


def test_what_is_sent_to_a_person_is_in_their_language(contributor: Any) -> None:
    from django.utils.translation import gettext as translated

    from taxonomy_app.web.languages import in_language_of

    contributor.language = "de"
    with in_language_of(contributor):
        assert translated("Draft") == "Entwurf"
    with in_language_of(None):
        assert translated("Draft") == "Draft"


# --- The pages ---------------------------------------------------------------------------------------------------


def _left_in_english(page: str) -> set[str]:
    """Texts of the page that the German catalogue translates and that stand there in English all the same."""
    known = {
        message.id: message.string for message in catalogue("de") if message.id and isinstance(message.string, str)
    }
    # A sentence with markup stands on the page in pieces, one of which may be an English text by itself ("Version").
    german = {piece.strip() for text in known.values() for piece in re.split(r"<[^>]+>|%\(\w+\)s", text)}
    body = re.sub(r"<(script|style|pre|textarea|option)\b.*?</\1>", "", page, flags=re.DOTALL)
    texts = {html.unescape(" ".join(text.split())) for text in re.findall(r">([^<>]+)<", body)}
    texts |= {html.unescape(text) for text in re.findall(r' (?:title|aria-label|placeholder)="([^"]+)"', body)}
    return {text for text in texts if known.get(text, text) != text and text not in german}


def test_a_text_left_in_english_is_found() -> None:
    page = '<p>Draft</p><p>Entwurf</p><a title="Notices">Rosa</a><script>Draft</script>'
    assert _left_in_english(page) == {"Draft", "Notices"}


@pytest.mark.parametrize(("name", "route"), CASES)
def test_every_page_answers_in_german_as_it_does_in_english(
    name: str,
    route: Route,
    world: World,  # noqa: F811  # the fixture, imported by its name
    request: pytest.FixtureRequest,
) -> None:
    if route.redis:
        request.getfixturevalue("redis_url")
    url = reverse(name, args=route.args(world))
    for person in PEOPLE:
        if route.get is None or getattr(route.get, person) != "ok":
            continue
        client = Client()
        if (user := getattr(world, person)) is not None:
            client.force_login(user)
            url = reverse(name, args=route.args(world))
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
        english = client.get(url, route.query(world))
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
        german = client.get(url, route.query(world))
        assert german.status_code == english.status_code, url
        if german.headers["Content-Type"].startswith("text/html"):
            assert _left_in_english(german.content.decode()) == set(), url


# --- What taxonomy_repo says -----------------------------------------------------------------------------------


def test_the_sentence_of_every_check_is_known() -> None:
    from taxonomy_app.web.repository_words import field_words, known
    from taxonomy_repo.checks import check_leaf
    from taxonomy_repo.checks.registry import (
        GOOD_KNOWLEDGE,
        GOOD_PATH,
        GOOD_SKILL,
        KNOWLEDGE_PATH,
        REGISTRY,
        load_checks,
    )
    from taxonomy_repo.comparison import leaf_compare
    from taxonomy_repo.leaf import read_leaf

    load_checks()
    said: set[str] = set()
    for check in REGISTRY.values():
        if check.example is not None:
            attribution = None if check.example.attribution is None else check.example.attribution.encode()
            said |= {problem.message for problem in check_leaf(check.example.data, check.example.path, attribution)}
    assert len(said) > 50
    assert {sentence for sentence in said if not known(sentence)} == set(), "add them to web/check_sentences.py"
    texts = ((GOOD_KNOWLEDGE, KNOWLEDGE_PATH), (GOOD_SKILL, GOOD_PATH))
    with translation.override("de"):
        for text, path in texts:
            compared = leaf_compare(None, read_leaf(text.encode(), path).leaf)
            labels = {field.label for field in compared.head} | {f.label for s in compared.seeds for f in s.fields}
            assert {label for label in labels if field_words(label) == label} <= {"Text"}


def test_a_sentence_of_a_check_is_said_in_german_with_its_parts_and_english_as_it_is() -> None:
    from taxonomy_app.web.repository_words import said

    sentence = "The answer of seed 3 is empty. Write it, or take it away."
    assert said(sentence) == sentence
    with translation.override("de"):
        assert said(sentence) == (
            "Die Antwort von Saatbeispiel 3 ist leer. Schreiben Sie etwas oder nehmen Sie das Feld weg."
        )
        assert said("The licence WTF is not among those that can be used: MIT. Choose another source.") == (
            "Die Lizenz WTF gehört nicht zu denen, die verwendet werden dürfen: MIT. Wählen Sie eine andere Quelle."
        )
        assert said("Somebody's own words.") == "Somebody's own words."
