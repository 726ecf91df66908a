"""Who may do what on the routes of import, export and remotes: administrators alone, and the door for code hosts."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from taxonomy_app.exchange.models import Remote, Transfer
from tests.taxonomy_app.routing import ADMINISTRATORS, Access, Route, World

# Without a signature nobody is let through, whoever is signed in.
UNSIGNED = Access("forbidden", "forbidden", "forbidden", "forbidden", "forbidden")


def prepare(world: World) -> None:
    world.remote = Remote.objects.create(  # type: ignore[attr-defined]
        name="origin", url="https://github.com/example/taxonomy.git", pushes=False, created_at=world.now
    )
    world.transfer = Transfer.objects.create(  # type: ignore[attr-defined]
        kind="export", state="done", person=world.administrator, parameters={"kind": "zip"}, created_at=world.now
    )


def _remote(world: Any) -> list[str]:
    return [world.remote.name]


def _transfer(world: Any) -> list[object]:
    return [world.transfer.pk]


ROUTES = {
    "exchange:home": Route(get=ADMINISTRATORS),
    "exchange:transfers": Route(get=ADMINISTRATORS),
    "exchange:transfer": Route(args=_transfer, get=ADMINISTRATORS),
    # Its file is not kept any more; test_views downloads one that is.
    "exchange:download": Route(args=_transfer, get=ADMINISTRATORS._replace(administrator="missing")),
    "exchange:import_file": Route(
        post=ADMINISTRATORS, data=lambda world: {"file-mode": "add", "file-archive": SimpleUploadedFile("a.zip", b"x")}
    ),
    "exchange:import_remote": Route(post=ADMINISTRATORS),
    "exchange:export": Route(post=ADMINISTRATORS),
    "exchange:document_add": Route(post=ADMINISTRATORS),
    "exchange:documents_fetch": Route(post=ADMINISTRATORS),
    "exchange:remote_add": Route(get=ADMINISTRATORS, post=ADMINISTRATORS),
    "exchange:remote": Route(args=_remote, get=ADMINISTRATORS, post=ADMINISTRATORS),
    "exchange:remote_sync": Route(args=_remote, post=ADMINISTRATORS),
    "exchange:remote_decide": Route(args=_remote, post=ADMINISTRATORS),
    "exchange:remote_remove": Route(args=_remote, post=ADMINISTRATORS),
    "exchange:hook": Route(args=_remote, post=UNSIGNED, door=True),
}
