"""The components of the pages, in every template without ``load``; templates/components/README.md shows each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Page
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, FileInput, RadioSelect, Select, Textarea
from django.template import Context
from django.template.loader import get_template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import npgettext_lazy

from taxonomy_app.tree.models import words
from taxonomy_app.tree.search_words import mark_words, query_words
from taxonomy_app.web import icons, states
from taxonomy_app.web.markdown import has_markup, rendered
from taxonomy_app.web.repository_words import code_words, field_words, said

register = template.Library()

# In some languages a length of time is inflected after "ago" or before it, so it has words of its own here.
_TIMES_AGO = {
    "year": npgettext_lazy("time ago", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("time ago", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("time ago", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("time ago", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("time ago", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("time ago", "%(num)d minute", "%(num)d minutes", "num"),
}


def _render(name: str, **variables: Any) -> SafeString:
    return get_template(f"components/{name}.html").render(variables)  # type: ignore[return-value]  # Django marks it safe


def _breakable(escaped: SafeString) -> SafeString:
    return mark_safe(escaped.replace("/", "/<wbr>"))  # noqa: S308  # escaped by the caller


def _stripped(content: str) -> SafeString:
    """A block's rendered content without the white space around it, so that a template can ask whether there is any."""
    return mark_safe(content.strip())  # noqa: S308  # rendered by the template, escaped there


# --- Assets -----------------------------------------------------------------------------------------


@register.simple_tag
def script(name: str) -> SafeString:
    """The page's ES module ``frontend/src/<name>.js`` as it was built."""
    return format_html('<script type="module" src="{}"></script>', static(f"built/{name}.js"))


@register.simple_tag
def stylesheet(name: str) -> SafeString:
    """The built style sheet ``<name>.css`` (one that a module of the same name brings)."""
    return format_html('<link rel="stylesheet" href="{}">', static(f"built/{name}.css"))


@register.simple_tag
def asset_if_built(path: str) -> str:
    """Where a static file is; its plain address when nothing was collected, so that pages for errors never fail."""
    try:
        return static(path)
    except ValueError:
        return f"{settings.STATIC_URL}{path}"


@register.simple_tag
def icon(name: str, size: int = 20) -> SafeString:
    """A line icon (taxonomy_app/web/icons.py has the names)."""
    return mark_safe(icons.svg(name, size))  # noqa: S308  # constant drawings


# --- Frames with content ------------------------------------------------------------------------------


@register.simple_block_tag(end_name="endbreadcrumbs")
def breadcrumbs(content: str) -> SafeString:
    """The way back; inside, one ``crumb`` after the other."""
    return _render("breadcrumbs", content=content)


@register.simple_tag
def crumb(title: str, url: str = "") -> SafeString:
    """A step of the breadcrumbs; the last one, the page itself, has no url."""
    if url:
        return format_html('<li><a href="{}">{}</a></li>', url, title)
    return format_html('<li><span aria-current="page">{}</span></li>', title)


@register.simple_block_tag(end_name="endpage_header")
def page_header(content: str, title: str, lead: str = "", eyebrow: str = "") -> SafeString:
    """The page's one h1, a sentence below it, and the actions (content) beside it."""
    return _render("page_header", content=_stripped(content), title=title, lead=lead, eyebrow=eyebrow)


@register.simple_block_tag(end_name="endcard")
def card(
    content: str,
    title: str = "",
    id: str = "",  # noqa: A002  # named like the attribute that it becomes
    level: int = 2,
    hint: str = "",
    padded: bool = True,
) -> SafeString:
    """A framed section with a heading; ``padded=False`` for a table or list that reaches the edges."""
    return _render("card", content=content, title=title, id=id, level=level, hint=hint, padded=padded)


@register.simple_block_tag(end_name="endempty")
def empty(content: str, title: str, text: str = "", icon: str = "seed") -> SafeString:
    """What stands where nothing is yet: why, and (content) what to do."""
    return _render("empty", content=_stripped(content), title=title, text=text, icon=icon)


@register.simple_block_tag(end_name="endnotice")
def notice(content: str, tone: str = "busy") -> SafeString:
    """A sentence that must not be missed; tones: good, busy, attention, bad."""
    return _render("notice", content=content, tone=tone)


@register.simple_block_tag(end_name="endtable")
def table(content: str, caption: str, show_caption: bool = False, compact: bool = False) -> SafeString:
    """A table that scrolls sideways in its own frame; the content is thead and tbody."""
    return _render("table", content=content, caption=caption, show_caption=show_caption, compact=compact)


# --- Small things ---------------------------------------------------------------------------------------


@register.simple_tag
def badge(value: Any, label: str = "", tone: str = "") -> SafeString:
    """A state, role or severity in words and colour (taxonomy_app/web/states.py)."""
    text = str(value)
    return format_html(
        '<span class="state state-{}">{}</span>', tone or states.state_tone(text), label or states.state_words(text)
    )


@register.simple_tag
def tag(text: str) -> SafeString:
    """A plain label such as a kind or a licence, without the weight of a state."""
    return format_html('<span class="state state-plain">{}</span>', text)


@register.simple_tag
def leaf_path(path: str) -> SafeString:
    """A leaf's place, breakable after each slash, underscores kept."""
    # Escaped as a whole: a list has dozens of them, and a slash needs no escaping.
    return format_html('<span class="font-mono text-[0.9em]">{}</span>', _breakable(escape(path)))


@register.filter
def markdown(text: str) -> SafeString:
    """People's words with their Markdown as HTML, sanitised; goes into an element of the class ``rendered``."""
    return rendered(str(text))


@register.filter
def formatted(text: str) -> bool:
    """Whether a text looks different once its Markdown and formulas are drawn."""
    return has_markup(text)


@register.filter
def marked(text: str, words: str) -> SafeString:
    """The text with the words that were searched for marked."""
    return mark_words(str(text), query_words(words))


@register.filter
def words_of(segment: str) -> str:
    """A folder's name as words: ``compositional_skills`` → ``Compositional skills``."""
    return words(str(segment))


@register.filter(name="field_words")
def field_words_of(label: str) -> str:
    """The label of a compared field (taxonomy_repo.comparison) in the reader's language."""
    return field_words(str(label))


@register.filter(name="code_words")
def code_words_of(code: str) -> str:
    """A code of the workers (a filter, a phase, a kind of leaf) as words in the reader's language."""
    return code_words(str(code))


@register.filter(name="said")
def said_of(sentence: str) -> str:
    """A sentence of taxonomy_repo or of a worker in the reader's language, where it is known."""
    return said(str(sentence)) if sentence else ""


@register.simple_tag
def when(moment: datetime | None, prefix: str = "") -> SafeString:
    """How long ago, with the exact time on hover; nothing for None. ``prefix`` stands before it or holds ``{when}``."""
    if moment is None:
        return mark_safe("")
    now = timezone.now()
    here = timezone.localtime(moment)
    exact = date_format(here, "DATETIME_FORMAT")
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        text = exact
    elif seconds < 60:
        text = _("just now")
    elif seconds < 30 * 86_400:
        text = _("%(time)s ago") % {"time": timesince(moment, now, time_strings=_TIMES_AGO, depth=1)}
    else:
        text = date_format(here, "DATE_FORMAT")
    shown = format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)
    before, _place, after = str(prefix).partition("{when}")
    return format_html("{}{}{}", before, shown, after)


@register.simple_tag
def person(user: Any, link: bool = True) -> SafeString:
    """A person's name with the round mark, leading to their page."""
    if user is None:
        return format_html('<span class="quiet">{}</span>', _("Seedbed itself"))
    return _render("person", person=user, link=link)


@register.simple_tag
def meter(value: float, maximum: float = 1.0, label: str = "", text: str = "") -> SafeString:
    """A bar from 0 to ``maximum`` with its value in words beside it."""
    share = 0.0 if not maximum else max(0.0, min(1.0, float(value) / float(maximum)))
    return _render("meter", value=value, maximum=maximum, label=label, text=text or f"{share:.0%}")


@register.simple_tag
def stat(label: str, value: Any, hint: str = "", url: str = "") -> SafeString:
    """One number with what it counts; goes into a ``<dl class="stats-row">``."""
    return _render("stat", label=label, value=value, hint=hint, url=url)


# --- Problems, forms, pages -----------------------------------------------------------------------------


@register.simple_tag
def problems(found: Iterable[Any], title: str = "", empty: str = "") -> SafeString:
    """A list of problems as ``taxonomy_repo`` reports them (severity, message, line, field)."""
    rows = list(found)
    return _render("problems", problems=rows, title=title, empty=empty)


@register.simple_tag
def field(bound: BoundField, hint: str = "", optional: bool = True) -> SafeString:
    """A form's field: label, control, help, errors, wired for assistive technology.

    ``optional=False`` leaves the word “(optional)” out, as in filters where it says nothing.
    """
    widget = bound.field.widget
    classes = "input w-full"
    layout = "stacked"
    if isinstance(widget, CheckboxSelectMultiple | RadioSelect):
        classes, layout = "", "group"
        # The options are drawn one by one with the widget's own attributes (the form has its own copy of it).
        kind = "checkbox checkbox-primary" if isinstance(widget, CheckboxSelectMultiple) else "radio radio-primary"
        widget.attrs.setdefault("class", kind)
    elif isinstance(widget, CheckboxInput):
        classes, layout = "checkbox checkbox-primary", "inline"
    elif isinstance(widget, Textarea):
        classes = "textarea w-full"
    elif isinstance(widget, FileInput):
        classes = "file-input w-full"
    elif isinstance(widget, Select):
        classes = "select w-full"
    attrs: dict[str, Any] = {}
    if classes:
        own = widget.attrs.get("class", "")
        wrong = {"input": "input-error", "textarea": "textarea-error", "select": "select-error"}
        marked = wrong.get(classes.split(" ", maxsplit=1)[0], "") if bound.errors else ""
        attrs["class"] = " ".join(part for part in (own, classes, marked) if part)
    described = [f"{bound.id_for_label}-help"] if (hint or bound.help_text) else []
    if bound.errors:
        described.append(f"{bound.id_for_label}-errors")
        attrs["aria-invalid"] = "true"
    if described and layout != "group":
        attrs["aria-describedby"] = " ".join(described)
    control = bound.as_widget(attrs=attrs)
    return _render(
        "field", field=bound, control=control, hint=hint or bound.help_text, layout=layout, optional=optional
    )


@register.simple_tag(takes_context=True)
def pagination(context: Context, page: Page[Any], parameter: str = "page") -> SafeString:
    """Links to the pages of a list, the other parameters of the address kept; nothing where one page is all."""
    if not page.has_other_pages():
        return mark_safe("")
    query = context["request"].GET.copy()

    def address(number: int) -> str:
        query[parameter] = str(number)
        return f"?{query.urlencode()}"

    numbers = [
        (number if isinstance(number, int) else None, address(number) if isinstance(number, int) else "")
        for number in page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    ]
    return _render(
        "pagination",
        page=page,
        numbers=numbers,
        previous=address(page.previous_page_number()) if page.has_previous() else "",
        following=address(page.next_page_number()) if page.has_next() else "",
    )


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """The address's query with some parameters changed; None removes one: ``{% query state="done" page=None %}``."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None or value == "":
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    encoded = parameters.urlencode()
    return f"?{encoded}" if encoded else "?"
