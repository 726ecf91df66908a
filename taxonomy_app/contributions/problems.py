"""Why a write was refused, in sentences for the person who asked. Views show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied, ValidationError

if TYPE_CHECKING:
    from taxonomy_repo.leaf import Problem


class Refused(ValidationError):
    """What was asked cannot be done as things stand; the message says why and what to do."""

    @property
    def sentence(self) -> str:
        return str(self.messages[0])


class ChangedMeanwhile(Refused):
    """Somebody else was first: a decision was made, a newer revision or a newer save exists."""


class NeedsWork(Refused):
    """The leaf has errors; ``problems`` lists them."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class NotYours(PermissionDenied):
    """The person may not do this at all, whatever the state."""
