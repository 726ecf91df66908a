"""Open the demonstration's accounts, one of each role, and print them as one JSON line. Safe to repeat."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from taxonomy_app.people import services
from taxonomy_app.people.demo import DEMO_ACCOUNTS
from taxonomy_app.people.models import User


class Command(BaseCommand):
    help = "Open the accounts of the demonstration. Their passwords are published, so SEEDBED_DEMO must be true."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("These accounts have published passwords: set SEEDBED_DEMO=true if that is wanted.")
        for account in DEMO_ACCOUNTS:
            if User.objects.by_identifier(account.username) is None:
                services.person_create(
                    username=account.username,
                    email=account.email,
                    name=account.name,
                    role=account.role,
                    password=account.password,
                    reason="Demonstration",
                    now=timezone.now(),
                )
        rows = [
            {"role": account.role, "username": account.username, "password": account.password}
            for account in DEMO_ACCOUNTS
        ]
        self.stdout.write(json.dumps(rows))
