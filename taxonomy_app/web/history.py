"""Rows that are written once: the base of every history (roles, submissions, rounds). Nothing here decides anything."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models


class HistoryProblem(TypeError):
    """Code tried to change or remove a row of a history."""


class HistoryQuerySet(models.QuerySet[Any]):
    """Reads and inserts; what would change or remove rows is refused."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise HistoryProblem(f"Rows of {self.model.__name__} are never changed.")

    def delete(self) -> NoReturn:
        raise HistoryProblem(f"Rows of {self.model.__name__} are never removed.")


class HistoryRow(models.Model):
    """An insert-only row. A correction is a further row, never a change to this one."""

    objects: ClassVar[Any] = HistoryQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise HistoryProblem(f"Rows of {type(self).__name__} are never changed.")
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise HistoryProblem(f"Rows of {type(self).__name__} are never removed.")
