"""Brings the catalogues up to date with the templates and the code, and compiles them; see docs/translating.md."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from taxonomy_app.web.messages import messages_of_site


class Command(BaseCommand):
    help = "Bring the languages' catalogues (.po) up to date with the texts of the pages and compile them (.mo)."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from babel.messages.catalog import Catalog
            from babel.messages.mofile import write_mo
            from babel.messages.pofile import read_po, write_po
        except ImportError as error:
            raise CommandError("Babel is not installed: set up the project for development (`make test`).") from error

        class Undated(Catalog):
            """Without dates in its head: the same texts make the same file, and two branches merge."""

            @property
            def mime_headers(self) -> list[tuple[str, str]]:
                kept = ("Language", "Plural-Forms", "MIME-Version", "Content-Type", "Content-Transfer-Encoding")
                return [(name, value) for name, value in super().mime_headers if name in kept]

        wanted = Catalog()
        for message, files in messages_of_site().items():
            names = (message.singular, message.plural) if message.plural else message.singular
            wanted.add(names, context=message.context or None, locations=[(name, 0) for name in dict.fromkeys(files)])
        for code, name in settings.LANGUAGES:
            if code == settings.LANGUAGE_CODE:
                continue
            path = Path(settings.LOCALE_PATHS[0]) / code / "LC_MESSAGES" / "django.po"
            path.parent.mkdir(parents=True, exist_ok=True)
            catalogue = Undated(locale=code, header_comment=f"# {name}: the texts of Seedbed's pages.", fuzzy=False)
            if path.exists():
                with path.open("rb") as file:
                    for known in read_po(file, locale=code):
                        if known.id:
                            catalogue.add(known.id, known.string, context=known.context)
            # A guess is no translation: a text that changed is translated anew.
            catalogue.update(wanted, no_fuzzy_matching=True, update_header_comment=False, update_creation_date=False)
            # Nor are texts kept that nobody asks for any more: the history has them.
            catalogue.obsolete.clear()
            with BytesIO() as texts, BytesIO() as compiled:
                write_po(texts, catalogue, width=120, sort_output=True, include_lineno=False)
                write_mo(compiled, catalogue)
                path.write_bytes(texts.getvalue())
                path.with_suffix(".mo").write_bytes(compiled.getvalue())
            missing = [message.id for message in catalogue if message.id and not _whole(message.string)]
            self.stdout.write(f"{name}: {len(catalogue)} texts, {len(missing)} not translated.")
            for text in missing:
                self.stdout.write(f"  {text}")


def _whole(translated: str | tuple[str, ...]) -> bool:
    return all(translated) if isinstance(translated, tuple) else bool(translated)
