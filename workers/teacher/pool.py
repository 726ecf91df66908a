"""One teacher at several addresses: each with its own limit and pace, used as they are free.

An address that cannot be reached any more is left out and the others go on; the teacher is gone when all are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from workers.teacher.client import TeacherClient, TeacherProblem

log = logging.getLogger(__name__)


class TeacherPool(TeacherClient):
    """Several clients as one. What is used is counted over all of them.

    Args:
        members: clients not yet entered, one for each address; all serve the same model.
    """

    def __init__(self, members: Sequence[TeacherClient]) -> None:
        super().__init__(members[0].endpoint, max_in_flight=sum(member.max_in_flight for member in members))
        self.members = list(members)
        self._entered: AsyncExitStack | None = None

    async def __aenter__(self) -> TeacherPool:
        self._entered = AsyncExitStack()
        for member in self.members:
            await self._entered.enter_async_context(member)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            await self._entered.aclose()

    async def check(self) -> None:
        """See that every address takes the key and serves the model; one that cannot be reached is left out.

        Raises:
            TeacherProblem: a key or a model is wrong somewhere, or no address can be reached.
        """
        for member in list(self.members):
            try:
                await member.check()
            except TeacherProblem as problem:
                self._leave_out(member, problem)
        # A prompt may be sent to any of them.
        self.context_tokens = min((each.context_tokens for each in self.members if each.context_tokens), default=None)

    async def _tried(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        while True:
            member = min(self.members, key=lambda each: (each.pace.broken, each.usage.in_flight / each.max_in_flight))
            try:
                return await member._post(route, dict(body))
            except TeacherProblem as problem:
                # Another request may have left it out meanwhile; then there are others to ask.
                if member in self.members:
                    self._leave_out(member, problem)

    def _leave_out(self, member: TeacherClient, problem: TeacherProblem) -> None:
        if not problem.problem.retry or len(self.members) == 1:
            raise problem
        log.warning("%s The other %d addresses go on.", problem.problem.message, len(self.members) - 1)
        self.members.remove(member)
