"""Synchronise with remotes now, without the worker."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from taxonomy_app.exchange import execution, services
from taxonomy_app.exchange.models import Remote, Transfer


class Command(BaseCommand):
    help = "Fetch from, merge with and push to the remotes named, or all of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        remotes = Remote.objects.filter(name__in=options["names"]) if options["names"] else Remote.objects.all()
        unknown = set(options["names"]) - {remote.name for remote in remotes}
        if unknown:
            raise CommandError(f"There is no remote called {', '.join(sorted(unknown))}.")
        asked = {
            remote.name: services.sync_request(remote=remote, by=None, now=timezone.now()).pk for remote in remotes
        }
        execution.transfers_run(now=timezone.now())
        failed = []
        for name, transfer_id in asked.items():
            # One that came to nothing new is not kept.
            made = Transfer.objects.filter(pk=transfer_id).first()
            told = "nothing new" if made is None else made.problem or made.result.get("outcome", made.state)
            self.stdout.write(f"{name}: {told}")
            if made is not None and made.state == Transfer.State.FAILED:
                failed.append(name)
        if failed:
            raise CommandError(f"{', '.join(failed)} could not be synchronised.")
