"""What transfers do, in the worker: the only place from which this application talks to code hosts.

Each kind is one function that can be repeated; what goes wrong becomes a sentence on the transfer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from taxonomy_app.exchange import services
from taxonomy_app.exchange.models import Remote, Transfer
from taxonomy_app.people.models import User
from taxonomy_app.tree import services as tree
from taxonomy_app.tree.models import Leaf
from taxonomy_repo.archives import ArchiveProblem, read_archive
from taxonomy_repo.conversion import converted
from taxonomy_repo.documents import DocumentProblem
from taxonomy_repo.exporting import export_archive
from taxonomy_repo.importing import ImportResult, import_files, import_history
from taxonomy_repo.leaf import DOCUMENT_REPOSITORY, DocumentReference
from taxonomy_repo.problem import spoken_field
from taxonomy_repo.remote.address import RemoteProblem
from taxonomy_repo.remote.documents import documents_fetch
from taxonomy_repo.remote.program import Credential, GitProgram
from taxonomy_repo.remote.sync import RemoteBranch, fetch, synchronise
from taxonomy_repo.repository import Person, StoreProblem
from taxonomy_repo.taxonomy_merge import TaxonomyConflict
from workers.environment import EnvironmentProblem, read_text

_LOG = logging.getLogger(__name__)
SEEDBED = Person("Seedbed", "seedbed@localhost")
# Paths named on the page of a transfer; all of them are counted.
_NAMED = 200
# What may be otherwise the next time one asks.
_PASSING = ("unreachable", "too-slow", "failed")
_ASKED_AGAIN_AFTER = timedelta(hours=1)
# What is said of a place and not of one of its documents.
_OF_THE_PLACE = ("unreachable", "too-slow", "not-allowed", "no-repository", "certificate", "moved", "host-not-listed")
# So long documents are fetched before other work of the queue has its turn.
_FETCH_SECONDS = 180.0
_PROBLEMS = (RemoteProblem, StoreProblem, ArchiveProblem, DocumentProblem)


class _Failed(Exception):
    """A transfer that ended in a problem that is recorded on the transfer and, perhaps, elsewhere already."""

    def __init__(self, code: str, problem: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.result = result or {}


def transfers_run(*, now: datetime) -> int:
    """Do everything that is due, one after another; how many there were. Safe in several processes at once."""
    count = 0
    for transfer in Transfer.objects.due(now=now).select_related("remote", "person"):
        if not services.transfer_take(transfer=transfer, now=now):
            continue
        count += 1
        result: dict[str, Any] = {}
        code = problem = ""
        try:
            result = _RUNS[Transfer.Kind(transfer.kind)](transfer)
        except _Failed as failed:
            result, code, problem = failed.result, failed.code, str(failed)
        except _PROBLEMS as failed:
            code, problem = failed.code, str(failed)
        except Exception:  # noqa: BLE001 - one transfer that fails does not hold up the others
            _LOG.exception("Transfer %s (%s) failed", transfer.pk, transfer.kind)
            code, problem = "failed", "This failed in a way that nobody thought of. The log of the worker says more."
        finished = timezone.now()
        file = result.pop("file", "")
        services.transfer_finish(transfer=transfer, now=finished, result=result, file=file, code=code, problem=problem)
        if transfer.kind in (Transfer.Kind.IMPORT, Transfer.Kind.DOCUMENT):
            services.file_remove(transfer)
        if transfer.kind == Transfer.Kind.SYNC:
            _forget_uneventful(transfer, result, code)
    return count


def tick(*, now: datetime) -> None:
    """What the clock asks for: remotes that were not asked for long or lack something, documents, old archives."""
    head = tree.taxonomy_store().head() if tree.taxonomy_store().repository.path.exists() else None
    for remote in Remote.objects.all():
        idle = remote.asked_at is None or remote.asked_at <= now - timedelta(seconds=settings.SYNC_SECONDS)
        news = remote.pushes and head != (remote.shared_commit or None) and not remote.problem and not remote.conflicts
        if idle or (news and head is not None):
            services.sync_request(remote=remote, by=None, now=now)
    if _without_documents(now=now):
        services.documents_request(by=None, now=now)
    services.exports_expire(now=now)
    transfers_run(now=now)


# --- The kinds --------------------------------------------------------------------------------------


def _program() -> GitProgram:
    return GitProgram(settings.NETWORK_RULES)


def credential(username: str, token_setting: str) -> Credential | None:
    """The name and token that a remote's settings lead to, read from the environment now.

    Raises RemoteProblem where the setting is not there.
    """
    if not token_setting:
        return None
    try:
        token = read_text(token_setting)
    except EnvironmentProblem as problem:
        raise RemoteProblem("no-credential", str(problem)) from problem
    if not token:
        raise RemoteProblem(
            "no-credential",
            f"The worker has no setting {token_setting}. Set it, or {token_setting}_FILE, and restart it.",
        )
    return Credential(username, token)


def author_of(person: User | None) -> Person:
    """Whose name a commit carries that somebody asked for."""
    return SEEDBED if person is None else Person(person.display_name, person.email)


def _sync(transfer: Transfer) -> dict[str, Any]:
    remote = transfer.remote
    if remote is None:
        raise _Failed("gone", "The remote is not there any more.")
    now = timezone.now()
    try:
        done = synchronise(
            tree.taxonomy_store(),
            RemoteBranch(remote.name, remote.url, remote.branch, credential(remote.username, remote.token_setting)),
            _program(),
            author=SEEDBED,
            when=now,
            pushes=remote.pushes,
            decided=remote.decided,
        )
    except TaxonomyConflict as conflict:
        told = [
            {
                "path": leaf.path,
                "reason": leaf.reason,
                "fields": [
                    {
                        "field": one.field,
                        "said": spoken_field(one.field),
                        "base": one.base,
                        "ours": one.ours,
                        "theirs": one.theirs,
                    }
                    for one in leaf.fields
                ],
            }
            for leaf in conflict.leaves
        ]
        services.remote_told(remote=remote, now=now, problem=str(conflict), conflicts=told)
        raise _Failed("conflict", str(conflict), {"conflicts": [leaf.path for leaf in conflict.leaves]}) from conflict
    except _PROBLEMS as problem:
        services.remote_told(remote=remote, now=now, problem=str(problem))
        raise
    changes = {"added": 0, "modified": 0, "moved": 0, "removed": 0}
    if done.commit and done.commit != done.before:
        for change in tree.taxonomy_store().changes(done.before, done.commit):
            changes[change.kind] += 1
        _indexed(now)
    shared = done.commit if done.pushed or done.commit == done.fetched else remote.shared_commit
    services.remote_told(remote=remote, now=now, shared_commit=shared or "")
    return {
        "outcome": done.outcome,
        "commit": done.commit,
        "pushed": done.pushed,
        "rejections": done.rejections,
        "changes": changes,
    }


def _forget_uneventful(transfer: Transfer, result: dict[str, Any], code: str) -> None:
    """What the clock asked for and came to nothing, or to the same problem as before, is not worth a row each time."""
    if transfer.person_id is not None:
        return
    finished = Transfer.objects.filter(kind=Transfer.Kind.SYNC, remote=transfer.remote, person=None)
    if not code and result.get("outcome") == "same" and not result.get("pushed"):
        finished.filter(pk=transfer.pk, state=Transfer.State.DONE).delete()
    elif code:
        finished.filter(state=Transfer.State.FAILED, code=code).exclude(pk=transfer.pk).delete()


def _import(transfer: Transfer) -> dict[str, Any]:
    store = tree.taxonomy_store()
    store.create()
    now = timezone.now()
    asked = transfer.parameters
    who = author_of(transfer.person)
    if transfer.file:
        path = services.file_path(transfer.file)
        try:
            with path.open("rb") as file:
                found = read_archive(file, asked["name"])
        except FileNotFoundError:
            raise _Failed("gone", "The uploaded file is not there any more. Upload it again.") from None
        done = import_files(store, found, mode=asked["mode"], author=who, when=now, source=asked["name"])
    else:
        done = import_remote(
            url=asked["url"],
            branch=asked.get("branch", "main"),
            username=asked.get("username", ""),
            token_setting=asked.get("token_setting", ""),
            mode=asked["mode"],
            author=who,
            now=now,
        )
    _indexed(now)
    return told_import(done)


def import_remote(
    *, url: str, branch: str, username: str, token_setting: str, mode: Any, author: Person, now: datetime
) -> ImportResult:
    """Take in a remote repository with its history. Raises RemoteProblem, StoreProblem."""
    store = tree.taxonomy_store()
    store.create()
    there = RemoteBranch("import", url, branch, credential(username, token_setting))
    commit = fetch(store, there, _program())
    if commit is None:
        raise RemoteProblem("no-branch", f"The repository has no branch {branch}. Check its name.")
    return import_history(store, commit, mode=mode, author=author, when=now, source=url)


def told_import(done: ImportResult) -> dict[str, Any]:
    """An import's outcome as it is kept: everything counted, the first of each named."""
    told: dict[str, Any] = {"commit": done.commit, "versions": done.versions, "same": len(done.same)}
    for name in ("added", "changed", "removed"):
        paths = getattr(done, name)
        told[name] = {"count": len(paths), "paths": paths[:_NAMED]}
    for name in ("left_alone", "left_out"):
        found = getattr(done, name)
        told[name] = {"count": len(found), "reasons": dict(list(found.items())[:_NAMED])}
    return told


def _export(transfer: Transfer) -> dict[str, Any]:
    store = tree.taxonomy_store()
    asked = transfer.parameters
    # One name for every attempt: a killed one leaves nothing behind but what the next writes over.
    name = f"{transfer.pk.hex}.{asked['kind']}"
    services.file_path(name).parent.mkdir(parents=True, exist_ok=True)
    part = services.file_path(f"{name}.part")
    with part.open("wb") as file:
        done = export_archive(store, asked["commit"], file, kind=asked["kind"], since=asked["since"] or None)
    part.replace(services.file_path(name))
    return {
        "file": name,
        "commit": done.commit,
        "files": done.files,
        "leaves": done.leaves,
        "changes": len(done.changes),
        "removed": sum(change.kind == "removed" for change in done.changes),
        "bytes": services.file_path(name).stat().st_size,
    }


def _document(transfer: Transfer) -> dict[str, Any]:
    asked = transfer.parameters
    try:
        data = services.file_path(transfer.file).read_bytes()
    except FileNotFoundError:
        raise _Failed("gone", "The uploaded file is not there any more. Upload it again.") from None
    text = converted(asked["uploaded"], data)
    reference = tree.document_store().add(
        asked["name"], text.encode(), author=author_of(transfer.person), when=timezone.now()
    )
    return {"repo": reference.repo, "commit": reference.commit, "name": asked["name"], "characters": len(text)}


def _fetch_documents(transfer: Transfer) -> dict[str, Any]:
    """Fetch for as long as others may wait; what is left is asked for again, from where this stopped."""
    begun = time.monotonic()
    now = timezone.now()
    program = _program()
    fetched = 0
    failed: dict[str, str] = {}
    answers: dict[Any, tuple[str, str] | None] = {}
    moment = transfer.parameters["tried_before"]
    tried_before = datetime.fromisoformat(moment) if moment else None
    for number, leaf in enumerate(_without_documents(now=now, tried_before=tried_before)):
        if number and time.monotonic() - begun > _FETCH_SECONDS:
            services.documents_request(by=transfer.person, now=now, tried_before=tried_before)
            break
        told = leaf.document
        reference = DocumentReference(told["repo"], told["commit"], tuple(told["patterns"]))
        # A place that does not answer for one leaf does not for the next.
        key = reference.repo if reference.repo in answers else reference
        if key not in answers:
            answers[key] = _fetch(reference, program, now)
            answer = answers[key]
            if answer is not None and answer[0] in _OF_THE_PLACE:
                answers[reference.repo] = answer
        answer = answers[key]
        if answer is None:
            tree.documents_refresh(leaf=leaf)
            fetched += 1
        else:
            tree.documents_refresh(leaf=leaf, code=answer[0], problem=answer[1], tried_at=now)
            failed[leaf.path] = answer[1]
    named = dict(list(failed.items())[:_NAMED])
    return {"fetched": fetched, "failed": {"count": len(failed), "reasons": named}}


def _fetch(reference: DocumentReference, program: GitProgram, now: datetime) -> tuple[str, str] | None:
    try:
        documents_fetch(tree.document_store(), reference, program, when=now)
    except (RemoteProblem, DocumentProblem, StoreProblem) as problem:
        return problem.code, str(problem)
    return None


def _without_documents(*, now: datetime, tried_before: datetime | None = None) -> list[Leaf]:
    """Leaves whose documents lie elsewhere and are to be asked for now, those never asked for first.

    What failed for a reason that may pass is asked for again after an hour; the rest where it was last
    ``tried_before``.
    """
    lacking = Leaf.objects.present().filter(document__isnull=False).exclude(document__repo=DOCUMENT_REPOSITORY)
    never: list[Leaf] = []
    again: list[Leaf] = []
    for leaf in lacking.exclude(document__code="").order_by("path"):
        tried = leaf.document.get("tried_at")
        if tried is None:
            never.append(leaf)
            continue
        when = datetime.fromisoformat(tried)
        passing = leaf.document["code"] in _PASSING and when < now - _ASKED_AGAIN_AFTER
        if passing or (tried_before is not None and when < tried_before):
            again.append(leaf)
    return never + again


def _indexed(now: datetime) -> None:
    tree.index_update(now=now)
    if _without_documents(now=now):
        services.documents_request(by=None, now=now)


_RUNS: dict[Transfer.Kind, Callable[[Transfer], dict[str, Any]]] = {
    Transfer.Kind.SYNC: _sync,
    Transfer.Kind.IMPORT: _import,
    Transfer.Kind.EXPORT: _export,
    Transfer.Kind.DOCUMENT: _document,
    Transfer.Kind.FETCH: _fetch_documents,
}
