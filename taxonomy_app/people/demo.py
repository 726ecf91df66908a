"""The accounts of the demonstration: they exist only where ``SEEDBED_DEMO`` is true, with published passwords.

Plain data, so that programs without Django may read it, too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoAccount:
    username: str
    name: str
    role: str
    password: str

    @property
    def email(self) -> str:
        return f"{self.username}@demo.example"


DEMO_ACCOUNTS = (
    DemoAccount("rosa", "Rosa Lind", "contributor", "plant-a-small-seed"),
    DemoAccount("emeka", "Emeka Obi", "reviewer", "read-every-line-twice"),
    DemoAccount("ines", "Ines Aldana", "administrator", "let-the-garden-grow"),
)


def demo_accounts() -> tuple[DemoAccount, ...]:
    """What the sign-in page may show: nothing outside a demonstration."""
    from django.conf import settings

    return DEMO_ACCOUNTS if settings.DEMO else ()


def published(username: str, password: str) -> bool:
    """Whether a sign-in uses a password that everybody may know, on a site that is no demonstration (any more)."""
    from django.conf import settings

    return not settings.DEMO and any(
        account.username == username and account.password == password for account in DEMO_ACCOUNTS
    )
