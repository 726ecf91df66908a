"""Open the accounts of the demonstration; refused unless SEEDBED_DEMO is true, since their passwords are published."""

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
    help = "Open the demonstration's accounts. The last line printed is JSON: role, username and password of each."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demonstration's accounts have published passwords: set SEEDBED_DEMO=true first.")
        for account in DEMO_ACCOUNTS:
            if not User.objects.by_identifier(account.username):
                services.person_create(
                    username=account.username,
                    email=account.email,
                    name=account.name,
                    role=account.role,
                    password=account.password,
                    reason="Opened for the demonstration",
                    now=timezone.now(),
                )
        rows = [
            {"role": str(account.role), "username": account.username, "password": account.password}
            for account in DEMO_ACCOUNTS
        ]
        self.stdout.write(json.dumps(rows))
