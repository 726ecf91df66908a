"""How scores are written and drawn on pages: rounding, signs, units, intervals. ``{% load scores %}``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.utils.formats import get_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from taxonomy_app.releases.headline import is_certain, outcome
from workers.evaluation.statistics import LOWER_IS_BETTER

register = template.Library()

# metric → (name, unit and direction as a sentence's end)
METRICS = {
    "answer_logprob": (lazy("Log-probability of the reference answer"), lazy("natural log a token, higher is better")),
    "accuracy": (lazy("Accuracy"), lazy("per cent right, higher is better")),
    "exact_match": (lazy("Exact match"), lazy("per cent right, higher is better")),
    "loss": (lazy("Loss"), lazy("nats a token, lower is better")),
    "judge_score": (lazy("Judge's score"), lazy("points, higher is better")),
}
SHARES = frozenset({"accuracy", "exact_match"})

OUTCOMES = {
    "certain better": lazy("better, certain"),
    "better": lazy("better, not certain"),
    "same": lazy("no difference"),
    "worse": lazy("worse, not certain"),
    "certain worse": lazy("worse, certain"),
    "": lazy("not compared"),
}


def number(value: Any, digits: int, *, sign: bool = False) -> str:
    """A number with a true minus sign; −0.00 is written 0.00, and an absent score (no number at all) as a dash."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−").replace(".", get_format("DECIMAL_SEPARATOR"))


def in_unit(value: Any, metric: str, *, sign: bool = False) -> str:
    """A value as its metric is read: shares as per cent with one digit, everything else with two."""
    if metric in SHARES and isinstance(value, int | float):
        return number(100 * value, 1, sign=sign)
    return number(value, 2, sign=sign)


@register.filter
def metric_name(metric: str) -> str:
    return METRICS.get(metric, (metric, ""))[0]


@register.filter
def metric_unit(metric: str) -> str:
    return METRICS.get(metric, ("", _("higher is better")))[1]


@register.filter
def in_metric(value: Any, metric: str) -> str:
    """``{{ score.mean|in_metric:score.metric }}``"""
    return in_unit(value, metric)


@register.filter
def change_in_metric(value: Any, metric: str) -> str:
    """A difference, with its sign."""
    return in_unit(value, metric, sign=True)


@register.filter
def signed(value: Any) -> str:
    return number(value, 2, sign=True)


@register.filter
def plain(value: Any) -> str:
    return number(value, 2)


@register.simple_tag
def interval(low: float | None, high: float | None, metric: str) -> SafeString:
    """``[−0.12, +0.80]``, or the words that there is none."""
    if low is None or high is None:
        return format_html('<span class="quiet">{}</span>', _("no interval, one item"))
    text = f"[{in_unit(low, metric, sign=True)}, {in_unit(high, metric, sign=True)}]"
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


@register.filter
def outcome_of(comparison: Any) -> str:
    """``certain better`` … for a comparison row, empty for None."""
    if comparison is None:
        return ""
    return outcome(comparison.metric, comparison.difference, comparison.low, comparison.high)


@register.simple_tag
def outcome_mark(word: str) -> SafeString:
    """An outcome in words, with a shape and a colour that are told apart without each other."""
    shapes = {"certain better": "▲", "better": "△", "same": "=", "worse": "▽", "certain worse": "▼", "": "–"}
    tones = {"certain better": "gain", "certain worse": "loss"}
    return format_html(
        '<span class="outcome outcome-{}"><span aria-hidden="true">{}</span> {}</span>',
        tones.get(word, "open"),
        shapes.get(word, "–"),
        OUTCOMES.get(word, word),
    )


@register.simple_tag
def extent(comparisons: Iterable[Any]) -> float:
    """How far from zero the bars of these comparisons reach, so that all share one scale.

    The longest interval's end, but no further than two and a half times the largest difference: one leaf with two
    seeds would otherwise shrink every other bar to a dot. A bar cut off there ends at the edge without a cap.
    """
    found = [c for c in comparisons if c is not None]
    ends = [abs(end) for c in found for end in (c.difference, c.low, c.high) if end is not None and math.isfinite(end)]
    largest = max((abs(c.difference) for c in found), default=0.0)
    return min(max(ends, default=1.0), 2.5 * largest or math.inf) or 1.0


WIDTH, HEIGHT = 132, 18


@register.simple_tag
def interval_bar(comparison: Any, extent: float = 1.0) -> SafeString:
    """The difference as a point on its 95 % interval over a line at zero; the text beside it says the same.

    Left of the line is always worse: for metrics of which less is better the axis is turned.
    """
    if comparison is None:
        return mark_safe("")
    turn = -1 if comparison.metric in LOWER_IS_BETTER else 1
    low, high = comparison.low, comparison.high

    def x(value: float) -> str:
        share = max(-1.0, min(1.0, turn * value / extent))
        return f"{WIDTH / 2 + share * (WIDTH / 2 - 7):.1f}"

    tone = "open"
    if is_certain(low, high):
        tone = "gain" if turn * comparison.difference > 0 else "loss"
    line = mark_safe("")
    if low is not None and high is not None:
        line = format_html('<line class="bar-range" x1="{}" x2="{}" y1="9" y2="9" />', x(low), x(high))
        caps = [x(end) for end in (low, high) if abs(end) <= extent]
        line += format_html_join(
            "", '<line class="bar-cap" x1="{0}" x2="{0}" y1="5" y2="13" />', ((place,) for place in caps)
        )
    return format_html(
        '<svg class="interval-bar bar-{tone}" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true" '
        'focusable="false"><line class="bar-zero" x1="{m}" x2="{m}" y1="1" y2="17" />{line}'
        '<circle class="bar-point" cx="{cx}" cy="9" r="4.5" /></svg>',
        tone=tone,
        w=WIDTH,
        h=HEIGHT,
        m=WIDTH // 2,
        line=line,
        cx=x(comparison.difference),
    )


@register.filter
def short_hash(text: str) -> str:
    """The first ten characters of a commit or hash; the page keeps the whole in a title."""
    return str(text)[:10]


VERDICTS = {"kept": ("✓", lazy("kept")), "forgets": ("✕", lazy("forgets")), "uncertain": ("?", lazy("not certain"))}


@register.simple_tag
def verdict_mark(verdict: str) -> SafeString:
    """What a release kept of an earlier leaf, as a sign and a word."""
    sign, word = VERDICTS[verdict]
    tone = {"kept": "gain", "forgets": "loss"}.get(verdict, "open")
    return format_html(
        '<span class="outcome outcome-{}"><span aria-hidden="true">{}</span> {}</span>', tone, sign, word
    )


@register.filter
def comparisons(rows: Iterable[Any]) -> list[Any]:
    """The comparison of each row, for ``extent``."""
    return [row.comparison for row in rows]


@register.filter
def comparable(rows: Iterable[Any]) -> list[Any]:
    """The rows of two releases that have a paired difference, for ``extent``."""
    return [row.comparable for row in rows]


@register.filter
def as_list(value: Any) -> list[Any]:
    return [value]


@register.filter
def lookup(mapping: Mapping[Any, Any], key: Any) -> Any:
    return mapping.get(key, "")


@register.filter
def seeds_counted(count: int) -> str:
    """``{{ 3|seeds_counted }}`` → ``3 seeds``."""
    return ngettext("%(seeds)s seed", "%(seeds)s seeds", count) % {"seeds": count}


@register.filter
def setting_value(value: Any) -> str:
    """A setting as people read it: nothing for None, yes and no, lists with commas."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _("none")
    return str(value)
