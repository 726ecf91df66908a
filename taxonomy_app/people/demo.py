"""The accounts that the demonstration opens. They exist only where ``SEEDBED_DEMO`` is true, with published passwords."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from taxonomy_app.people.models import Role


@dataclass(frozen=True)
class DemoAccount:
    username: str
    name: str
    role: Role
    password: str

    @property
    def email(self) -> str:
        return f"{self.username}@demo.example"


DEMO_ACCOUNTS = (
    DemoAccount("rosa", "Rosa Lind", Role.CONTRIBUTOR, "plant-a-small-seed"),
    DemoAccount("emeka", "Emeka Obi", Role.REVIEWER, "read-every-line-twice"),
    DemoAccount("ines", "Ines Aldana", Role.ADMINISTRATOR, "let-the-garden-grow"),
)


def demo_accounts() -> tuple[DemoAccount, ...]:
    """What the sign-in page may show: nothing outside a demonstration."""
    return DEMO_ACCOUNTS if settings.DEMO else ()
