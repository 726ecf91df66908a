"""What the start page shows to whom: gathered from the apps' queries, a constant number of them."""

from __future__ import annotations

from typing import Any


def start_page(user: Any) -> dict[str, Any]:
    """The template variables of the start page for ``user`` (anonymous for a visitor)."""
    return {}
