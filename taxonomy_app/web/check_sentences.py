"""What the checks of a leaf say (``taxonomy_repo``), for translation: a test runs every check and finds it here."""

from __future__ import annotations

FIELDS: tuple[str, ...] = ()
CHECKS: tuple[str, ...] = ()
