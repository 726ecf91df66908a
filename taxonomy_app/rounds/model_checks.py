"""What the web can say about a model or an endpoint before a worker tries it: is it spelled right, is it there at all.

The workers may see folders and networks that the web does not, so whoever plans may say that they do; the stage then
reports the same problems in its own words.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.model_folder import ModelProblem, model_folder_check
from workers.specs import BUNDLED_MODEL, ModelReference

_HUB_ID = re.compile(r"\A[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}\Z")
_REVISION = re.compile(r"\A[A-Za-z0-9][\w./-]{0,99}\Z")
# A person waits for the answer.
_CONNECT_SECONDS = 2.0


def check_model(reference: ModelReference, store: ArtifactStore, *, seen_by_workers: bool = False) -> None:
    """Whether the name can be a model: bundled, a release's student, a folder here, or spelled like a hub id.

    Raises:
        ValidationError: it cannot, in a sentence that says what to do.
    """
    name = reference.name
    if reference.revision is not None and not _REVISION.match(reference.revision):
        raise ValidationError(_("A revision is a branch, a tag or a commit of the model's hub page."))
    if name.startswith("bundled:"):
        if name != BUNDLED_MODEL:
            raise ValidationError(_("The only bundled model is %(bundled_model)s.") % {"bundled_model": BUNDLED_MODEL})
    elif name.startswith("artifact:"):
        _check_artifact(name.removeprefix("artifact:"), store)
    elif name.startswith("/"):
        if not seen_by_workers:
            check_folder(Path(name))
    elif name.startswith((".", "~")):
        raise ValidationError(_("Write the whole path of the folder, beginning with a slash."))
    elif not _HUB_ID.match(name):
        raise ValidationError(
            _("“%(name)s” is neither a folder nor a model of the hub. Write /path/to/folder, or owner/model.")
            % {"name": name}
        )


def _check_artifact(artifact_id: str, store: ArtifactStore) -> None:
    try:
        there = store.artifact(artifact_id).complete
    except ArtifactProblem:
        there = False
    if not there:
        raise ValidationError(
            _("There is no finished artifact called %(artifact_id)s. Choose a release's student.")
            % {"artifact_id": artifact_id}
        )


def check_folder(folder: Path) -> None:
    """Whether a folder on this machine holds a model that the workers load.

    Raises:
        ValidationError: it does not; the message names what is missing.
    """
    if not folder.is_dir():
        raise ValidationError(
            _("There is no folder %(folder)s on this server. Correct the path, or tick that the workers see it.")
            % {"folder": folder}
        )
    try:
        model_folder_check(folder)
    except ModelProblem as problem:
        raise ValidationError(str(problem)) from None
    except OSError as error:
        raise ValidationError(
            _("%(folder)s cannot be read (%(strerror)s). Allow the server to read it.")
            % {"folder": folder, "strerror": error.strerror}
        ) from None


def check_endpoint(url: str, *, seen_by_workers: bool = False) -> str:
    """The URL of an OpenAI-compatible server without its last slash.

    Raises:
        ValidationError: it is malformed, carries a secret, or nothing answers there.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise ValidationError(
            _("“%(url)s” is not a URL. Write it like http://teacher:8000/v1.") % {"url": url}
        ) from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s<>\"{}|\\^`]", url):
        raise ValidationError(
            _("“%(url)s” is not the URL of a server. Write it like http://teacher:8000/v1.") % {"url": url}
        )
    if parts.username or parts.password:
        raise ValidationError(
            _("A URL must not hold a name or a password. Name the worker's variable that has the key.")
        )
    if parts.query or parts.fragment:
        raise ValidationError(_("Leave out what follows “?” or “#”: the URL ends with the path, such as /v1."))
    if not seen_by_workers:
        try:
            with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
                pass
        except OSError as error:
            why = error.strerror or _("no answer")
            raise ValidationError(
                _(
                    "Nothing answers at %(host)s, port %(port)s (%(why)s). Start the teacher's server or "
                    "correct the URL, or tick that the workers reach it."
                )
                % {"host": host, "port": port, "why": why}
            ) from None
    return url.rstrip("/")
