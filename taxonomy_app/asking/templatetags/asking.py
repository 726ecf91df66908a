"""Where a page of seeds shows what the model answers."""

from __future__ import annotations

from django import template

from taxonomy_app.asking.shown import Panel, ShownAnswer

register = template.Library()


@register.simple_tag
def answer_at(panel: Panel | None, field: str) -> ShownAnswer | None:
    """What is shown below the contributor's answer in the form field ``field``."""
    return panel.by_field.get(field) if panel else None
