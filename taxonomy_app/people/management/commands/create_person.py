"""Open an account from the shell: the first administrator, or anybody else."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from taxonomy_app.people import services
from taxonomy_app.people.models import Role, User


class Command(BaseCommand):
    help = (
        "Open an account. The password is asked for, or read from standard input with --password-stdin. "
        "With --if-missing an existing account is left as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="the name as it is shown (default: the username)")
        parser.add_argument(
            "--role", choices=Role.values, default=None, help="default: administrator while there is none"
        )
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--if-missing", action="store_true", help="do nothing when the username exists")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_missing"] and User.objects.by_identifier(options["username"]):
            self.stdout.write(f"{options['username']} is there already.")
            return
        role = options["role"]
        if role is None:
            role = Role.CONTRIBUTOR if User.objects.administrators().exists() else Role.ADMINISTRATOR
        try:
            created = services.person_create(
                username=options["username"],
                email=options["email"],
                name=options["name"] or options["username"],
                role=role,
                password=self._password(from_stdin=options["password_stdin"]),
                reason="Opened from the shell",
                now=timezone.now(),
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{created.username} can sign in as {created.get_role_display().lower()}.")

    def _password(self, *, from_stdin: bool) -> str:
        if from_stdin:
            return sys.stdin.readline().rstrip("\n")
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask for a password: give it with --password-stdin.")
        first = getpass.getpass("Password: ")
        if getpass.getpass("Password again: ") != first:
            raise CommandError("The two passwords are not the same. Run the command again.")
        return first
