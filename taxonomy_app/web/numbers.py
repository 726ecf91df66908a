"""Numbers as the reader's language writes them, for texts that are put together in Python."""

from __future__ import annotations

from django.utils.formats import get_format, number_format


def grouped(value: float, places: int = 0) -> str:
    """``12,345``, in German ``12.345``."""
    return number_format(round(value, places), places, use_l10n=True, force_grouping=True)


def compact(value: float, digits: int | None = None) -> str:
    """A number without needless digits: ``0.85``, in German ``0,85``; at most ``digits`` that count."""
    text = f"{value:g}" if digits is None else f"{value:.{digits}g}"
    return text.replace(".", get_format("DECIMAL_SEPARATOR"))
