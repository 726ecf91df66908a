"""Writes of this app: remotes with their history, and transfers asked for, taken, finished.

What a transfer does is in ``execution``; here it is only asked for and recorded.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from taxonomy_app.exchange.models import Remote, RemoteChange, Transfer
from taxonomy_app.people.models import User
from taxonomy_app.tree.models import IndexState
from taxonomy_repo.archives import archive_kind
from taxonomy_repo.conversion import READ_ENDINGS
from taxonomy_repo.documents import DocumentProblem, document_text
from taxonomy_repo.remote.address import RemoteProblem, check_url
from taxonomy_repo.remote.sync import branch_problem

_LOG = logging.getLogger(__name__)
# A worker that said nothing for so long is gone. Longer than any transfer may take.
LEASE = timedelta(minutes=30)
# So long an export may be downloaded.
KEPT = timedelta(days=7)
LARGEST_UPLOAD = 500_000_000
_SETTINGS = ("url", "branch", "username", "token_setting", "secret_setting", "pushes")


# --- Remotes --------------------------------------------------------------------------------------


@transaction.atomic
def remote_add(*, name: str, by: User, now: datetime, **values: Any) -> Remote:
    """A new remote. Raises ValidationError by field."""
    remote = Remote(name=name, created_at=now, **values)
    _check(remote)
    remote.save(force_insert=True)
    _record(remote, RemoteChange.Action.ADDED, _values(remote), by, now)
    return remote


@transaction.atomic
def remote_change(*, remote: Remote, by: User, now: datetime, **values: Any) -> Remote:
    """Other settings for a remote; what is not given stays. Raises ValidationError by field."""
    before = _values(Remote.objects.select_for_update().get(pk=remote.pk))
    for name, value in values.items():
        setattr(remote, name, value)
    _check(remote)
    changed = {name: value for name, value in _values(remote).items() if before[name] != value}
    if changed:
        elsewhere = {"url", "branch"} & changed.keys()
        if elsewhere:  # what was said of the old place says nothing of the new one
            remote.shared_commit, remote.conflicts, remote.decided = "", [], {}
        remote.problem = ""
        remote.save(update_fields=[*_SETTINGS, "shared_commit", "conflicts", "decided", "problem"])
        _record(remote, RemoteChange.Action.CHANGED, changed, by, now)
    return remote


@transaction.atomic
def remote_remove(*, remote: Remote, by: User, now: datetime) -> None:
    """Forget a remote. What came from it stays in the taxonomy; nothing changes at the other end."""
    _record(remote, RemoteChange.Action.REMOVED, _values(remote), by, now)
    remote.delete()


@transaction.atomic
def conflicts_decide(*, remote: Remote, decided: Mapping[str, str], by: User, now: datetime) -> Transfer:
    """Say for each leaf that both sides changed whose version counts, and synchronise again.

    Raises ValidationError where a leaf is left open or a side is none.
    """
    locked = Remote.objects.select_for_update().get(pk=remote.pk)
    paths = [conflict["path"] for conflict in locked.conflicts]
    left_open = [path for path in paths if decided.get(path) not in ("ours", "theirs")]
    if not paths:
        raise ValidationError(_("There is nothing to decide any more."))
    if left_open:
        raise ValidationError(
            _("Choose a version for %(leaves)s.")
            % {"leaves": ", ".join(left_open[:3]) + (" …" if len(left_open) > 3 else "")}
        )
    locked.decided = {**locked.decided, **{path: decided[path] for path in paths}}
    locked.save(update_fields=["decided"])
    _record(locked, RemoteChange.Action.DECIDED, {path: decided[path] for path in paths}, by, now)
    return sync_request(remote=locked, by=by, now=now)


def _check(remote: Remote) -> None:
    problems: dict[str, str] = {}
    try:
        check_url(remote.url, settings.NETWORK_RULES)
    except RemoteProblem as problem:
        problems["url"] = str(problem)
    wrong = branch_problem(remote.branch)
    if wrong is not None:
        problems["branch"] = wrong
    if bool(remote.username) != bool(remote.token_setting):
        problems["username"] = _("Give both a name and the setting with the token, or neither.")
    if remote.pushes and not remote.token_setting:
        problems["pushes"] = _("Pushing needs an access token. Name the setting that holds it, or do not push.")
    try:
        remote.full_clean()
    except ValidationError as error:
        raise ValidationError({**{field: [text] for field, text in problems.items()}, **error.message_dict}) from error
    if problems:
        raise ValidationError(problems)


def _values(remote: Remote) -> dict[str, Any]:
    return {name: getattr(remote, name) for name in _SETTINGS}


def _record(remote: Remote, action: str, details: dict[str, Any], by: User, now: datetime) -> None:
    RemoteChange.objects.create(remote_name=remote.name, action=action, details=details, person=by, at=now)


# --- Asking for transfers ---------------------------------------------------------------------------


def sync_request(*, remote: Remote, by: User | None, now: datetime) -> Transfer:
    """Synchronise with a remote soon. One that waits already is this one: signals are coalesced, none is lost."""
    return _request_once(Transfer(kind=Transfer.Kind.SYNC, remote=remote, person=by, created_at=now))


def documents_request(*, by: User | None, now: datetime, tried_before: datetime | None = None) -> Transfer:
    """Fetch the documents of leaves that lie elsewhere and are not here.

    ``tried_before``: also those that failed, if they were last tried before that moment.
    """
    parameters = {"tried_before": tried_before.isoformat() if tried_before else ""}
    found = _request_once(Transfer(kind=Transfer.Kind.FETCH, person=by, created_at=now, parameters=parameters))
    if found.parameters["tried_before"] < parameters["tried_before"]:
        Transfer.objects.filter(pk=found.pk, state=Transfer.State.WAITING).update(parameters=parameters)
    return found


def _request_once(wanted: Transfer) -> Transfer:
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
    except IntegrityError:
        same: Transfer | None = Transfer.objects.filter(
            kind=wanted.kind, remote=wanted.remote, state=Transfer.State.WAITING
        ).first()
        if same is not None:
            return same
        # It was taken up in this very moment, and may have looked before what we know of: one more is needed.
        return _request_once(wanted)
    transaction.on_commit(transfers_send)
    return wanted


def import_request(
    *, by: User, now: datetime, mode: str, upload: Any = None, address: Mapping[str, str] | None = None
) -> Transfer:
    """Take in a taxonomy: an uploaded archive, or a remote repository with its history (``url``, ``branch``,
    ``username``, ``token_setting``).

    Raises ValidationError by field.
    """
    parameters: dict[str, Any] = {"mode": mode}
    if upload is not None:
        if archive_kind(upload.name) is None:
            raise ValidationError(
                {"archive": _("%(name)s is no .zip or .tar.gz file. Give one of these.") % {"name": upload.name}}
            )
        parameters["name"] = upload.name[:200]
        return _with_file(Transfer.Kind.IMPORT, upload, "archive", parameters, by, now)
    given = dict(address or {})
    probe = Remote(name="import", created_at=now, pushes=False, **given)
    try:
        _check(probe)
    except ValidationError as error:
        # A remote that happens to be called so is not in the way.
        fields = {name: texts for name, texts in error.message_dict.items() if name != "name"}
        if fields:
            raise ValidationError(fields) from error
    return _request(Transfer(kind=Transfer.Kind.IMPORT, person=by, created_at=now, parameters=parameters | given))


def document_request(*, by: User, now: datetime, upload: Any, name: str) -> Transfer:
    """Take a document into the installation's own documents, converted. Raises ValidationError by field."""
    if not upload.name.lower().endswith(READ_ENDINGS):
        kinds = ", ".join(READ_ENDINGS)
        raise ValidationError(
            {
                "document": _("%(name)s is of a kind that cannot be read. Give one of: %(kinds)s.")
                % {"name": upload.name, "kinds": kinds}
            }
        )
    name = name if name.lower().endswith((".md", ".txt")) else f"{name}.md"
    try:
        document_text(name, b"A name is tried.")
    except DocumentProblem as problem:
        raise ValidationError({"name": str(problem)}) from problem
    parameters = {"name": name, "uploaded": upload.name[:200]}
    return _with_file(Transfer.Kind.DOCUMENT, upload, "document", parameters, by, now)


def export_request(*, by: User, now: datetime, kind: str, since: str, title: str = "") -> Transfer:
    """Make an archive of the taxonomy; ``since`` (a commit): only of leaves that changed after it.

    Raises ValidationError by field.
    """
    state = IndexState.objects.filter(pk=IndexState.ONLY).first()
    if state is None or not state.commit:
        raise ValidationError(_("There is nothing in the taxonomy yet."))
    parameters = {"kind": kind, "since": since, "since_title": title, "commit": state.commit}
    return _request(Transfer(kind=Transfer.Kind.EXPORT, person=by, created_at=now, parameters=parameters))


def _with_file(kind: str, upload: Any, field: str, parameters: dict[str, Any], by: User, now: datetime) -> Transfer:
    if upload.size > LARGEST_UPLOAD:
        raise ValidationError(
            {
                field: _("%(name)s is larger than %(value)s MB.")
                % {"name": upload.name, "value": LARGEST_UPLOAD // 1_000_000}
            }
        )
    name = f"{uuid.uuid4().hex}.upload"
    with _open_new(name) as target:
        for chunk in upload.chunks():
            target.write(chunk)
    return _request(Transfer(kind=kind, person=by, created_at=now, parameters=parameters, file=name))


def _request(wanted: Transfer) -> Transfer:
    wanted.save(force_insert=True)
    transaction.on_commit(transfers_send)
    return wanted


def transfers_send() -> None:
    """Ask the worker of transfers. With Redis away nothing is lost: the clock asks again."""
    from taxonomy_app.exchange.tasks import run

    try:
        run.apply_async(retry=False)
    except OperationalError:
        _LOG.warning("Redis cannot be reached; transfers run when the clock next asks for them.")


# --- Files ------------------------------------------------------------------------------------------


def file_path(name: str) -> Path:
    """Where a transfer's file lies. Names are made by this program, never by a person."""
    return Path(settings.EXCHANGE_FOLDER) / name


def _open_new(name: str) -> BinaryIO:
    folder = Path(settings.EXCHANGE_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    return file_path(name).open("xb")


def file_remove(transfer: Transfer) -> None:
    """Remove a transfer's file, if it has one."""
    if transfer.file:
        file_path(transfer.file).unlink(missing_ok=True)
        Transfer.objects.filter(pk=transfer.pk).update(file="")


def exports_expire(*, now: datetime) -> int:
    """Remove archives that were kept long enough, and files that no transfer knows."""
    old = Transfer.objects.filter(kind=Transfer.Kind.EXPORT, finished_at__lt=now - KEPT).exclude(file="")
    count = 0
    for transfer in old:
        file_remove(transfer)
        count += 1
    folder = Path(settings.EXCHANGE_FOLDER)
    known = set(Transfer.objects.exclude(file="").values_list("file", flat=True))
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known and path.stat().st_mtime < (now - KEPT).timestamp():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return count


# --- Taking and finishing ---------------------------------------------------------------------------


def transfer_take(*, transfer: Transfer, now: datetime) -> bool:
    """Take a transfer for one run, by a conditional UPDATE: two workers never have the same."""
    taken = (
        Transfer.objects.due(now=now)
        .filter(pk=transfer.pk, attempts=transfer.attempts)
        .update(state=Transfer.State.RUNNING, attempts=F("attempts") + 1, lease_until=now + LEASE)
    )
    transfer.attempts += 1
    return bool(taken)


def transfer_finish(
    *, transfer: Transfer, now: datetime, result: Mapping[str, Any], file: str = "", code: str = "", problem: str = ""
) -> None:
    """Record the end of this attempt. One that was given up meanwhile and taken by another worker records nothing."""
    state = Transfer.State.FAILED if problem else Transfer.State.DONE
    Transfer.objects.filter(pk=transfer.pk, state=Transfer.State.RUNNING, attempts=transfer.attempts).update(
        state=state,
        result=dict(result),
        file=file or transfer.file,
        code=code,
        problem=problem[:1000],
        finished_at=now,
        lease_until=None,
    )


def remote_told(
    *,
    remote: Remote,
    now: datetime,
    shared_commit: str | None = None,
    problem: str = "",
    conflicts: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Keep what a synchronisation came to. One that succeeded has used the decisions; a conflict needs new ones."""
    fields: dict[str, Any] = {"asked_at": now, "problem": problem[:500], "conflicts": [dict(one) for one in conflicts]}
    if shared_commit is not None:
        fields |= {"shared_commit": shared_commit, "decided": {}}
    Remote.objects.filter(pk=remote.pk).update(**fields)
