"""The outbox: what was approved reaches the taxonomy exactly once, whatever process dies at whatever instant.

For every pending commit: was it committed already (its trailer is in the leaf's history, or the very files are
there) → done; is the file still the one it was based on → commit; else merge seed by seed; a real conflict goes
back to its author with both versions. A commit in git and its mark in the database cannot be one transaction, so
every step can be repeated: git is asked before anything is written, and the database is written last.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from kombu.exceptions import OperationalError

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import (
    Comment,
    CommentResolution,
    PendingCommit,
    State,
    Submission,
    SubmissionEvent,
)
from taxonomy_app.contributions.notices import notices_send
from taxonomy_app.contributions.transitions import identity
from taxonomy_app.tree import models as tree_models
from taxonomy_app.tree import services as tree_services
from taxonomy_repo.leaf import DOCUMENT_REPOSITORY, read_leaf
from taxonomy_repo.merge import MergeConflict, merge_leaf_bytes
from taxonomy_repo.paths import DATA_FILE
from taxonomy_repo.store import Conflict, FileChange, LeafEntry, Person, TaxonomyStore

log = logging.getLogger(__name__)

# While one run works on a pending commit, another leaves it alone; a killed one is taken up after this.
LEASE = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=1)
# A merge that was overtaken is made again; each round needs another writer to have been faster.
MERGE_TRIES = 5
# So many changes of one leaf between an attempt that was killed and the next would be needed to miss it.
HISTORY_LOOKED_AT = 200

_SEED_FIELD = re.compile(r"seed_examples\[(?P<seed>\d+)\](?P<part>.*)\Z")

QNA = "qna.yaml"
ATTRIBUTION = "attribution.txt"


@dataclass
class OutboxResult:
    """What one run did, by submission number."""

    committed: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)


def outbox_send() -> None:
    """Ask the default worker to run the outbox. With Redis away nothing is lost: beat asks again."""
    from taxonomy_app.contributions.tasks import outbox

    try:
        outbox.apply_async(retry=False)
    except OperationalError:
        log.warning("Redis cannot be reached; the outbox runs when beat next asks for it.")


def outbox_run(*, now: datetime, after_commit: Callable[[], None] | None = None) -> OutboxResult:
    """Commit everything that is due.

    Safe to run in several processes at once and to kill at any time. One failing item does not hold up the
    others: its problem is kept on its row and it is tried again later, less and less often.

    Args:
        after_commit: called between git and database, for the test that kills the process there.
    """
    result = OutboxResult()
    for pending in PendingCommit.objects.due(now=now).select_related("submission", "revision"):
        if not _lease(pending, now=now):
            continue
        try:
            commit = _deliver(pending, now=now)
        except _TrueConflict as conflict:
            _finish_with_conflict(pending, conflict, now=now)
            result.conflicts.append(pending.submission_id)
        except Exception as error:
            log.exception("Submission %s could not be committed", pending.submission_id)
            _postpone(pending, error, now=now)
            result.failed.append(pending.submission_id)
        else:
            if after_commit is not None:
                after_commit()
            _finish(pending, commit, now=now)
            result.committed.append(pending.submission_id)
    # Also for what an earlier run committed and was killed before it was indexed.
    unidentified = Submission.objects.filter(state=State.COMMITTED, leaf_id__isnull=True)
    if result.committed or unidentified.exists():
        tree_services.index_update(now=now)
        _identify(unidentified)
    return result


class _TrueConflict(Exception):
    """Both sides changed the same seed; ``theirs`` is what the taxonomy has."""

    def __init__(self, theirs: bytes, reason: str) -> None:
        super().__init__(reason)
        self.theirs = theirs


def _lease(pending: PendingCommit, *, now: datetime) -> bool:
    """Take this item for one run, by a conditional UPDATE: two runs at once share the work."""
    taken = (
        PendingCommit.objects.due(now=now)
        .filter(pk=pending.pk, attempts=pending.attempts)
        .update(attempts=F("attempts") + 1, next_try_at=now + LEASE)
    )
    pending.attempts += 1
    return bool(taken)


def _deliver(pending: PendingCommit, *, now: datetime) -> str:
    """Bring one item into the taxonomy, or find it there; the commit's id."""
    store = tree_services.taxonomy_store()
    path = _path_now(store, pending, now=now)
    qna = _with_document(pending)
    earlier = _committed_before(store, pending, path) if pending.attempts > 1 else None
    if earlier is not None:
        return earlier
    if pending.moves and path != pending.path:
        return _deliver_moved(store, pending, path, qna, now=now)
    attribution = bytes(pending.attribution)
    base, base_attribution = pending.base_blob or None, pending.base_attribution_blob or None
    for _ in range(MERGE_TRIES):
        try:
            changes = [FileChange(path=f"{path}/{QNA}", data=qna, base_blob=base)]
            if attribution:
                changes.append(FileChange(path=f"{path}/{ATTRIBUTION}", data=attribution, base_blob=base_attribution))
            return _commit(store, pending, path, changes)
        except Conflict as conflict:
            # The leaf is not the one this was based on any more: join both, seed by seed, and try on top of that.
            entry = store.snapshot(conflict.commit).get(path) if conflict.commit else None
            if entry is None:
                raise _gone(store, pending, path, now=now) from None
            theirs = store.read_blob(entry.blob)
            qna = _merged(store, pending, theirs, path)
            base, base_attribution = entry.blob, entry.attribution_blob
            attribution = _joined_attribution(
                store.read_blob(base_attribution) if base_attribution else b"", bytes(pending.attribution)
            )
    raise RuntimeError("The leaf kept changing while this was being joined with it; it is tried again later.")


def _deliver_moved(store: TaxonomyStore, pending: PendingCommit, path: str, qna: bytes, *, now: datetime) -> str:
    """Bring an improvement in together with its leaf's move from ``path`` to the place that was approved.

    The leaf keeps its identity: the commit takes the old files away, puts the new ones, and says that it is a move.
    """
    attribution = bytes(pending.attribution)
    base, base_attribution = pending.base_blob or None, pending.base_attribution_blob or None
    for _ in range(MERGE_TRIES):
        with store.writing():
            head = store.head()
            entry = store.snapshot(head).get(path) if head else None
            if head is not None and entry is not None and store.snapshot(head).get(pending.path) is not None:
                sentence = f"Another leaf came to {pending.path} before this one could be moved there."
                raise _TrueConflict(store.read_blob(entry.blob), sentence)
            if entry is not None and (entry.blob, entry.attribution_blob) == (base, base_attribution):
                changes = _moving(store, entry, pending.path, qna, attribution)
                return _commit(store, pending, pending.path, changes, moved_from=path)
        # The leaf is not the one this was based on any more: join both, outside of the lock, and look again.
        if entry is None:
            raise _gone(store, pending, path, now=now)
        if entry.blob != base:
            qna = _merged(store, pending, store.read_blob(entry.blob), path)
        base, base_attribution = entry.blob, entry.attribution_blob
        if base_attribution:
            attribution = _joined_attribution(store.read_blob(base_attribution), bytes(pending.attribution))
    raise RuntimeError("The leaf kept changing while this was being joined with it; it is tried again later.")


def _moving(store: TaxonomyStore, entry: LeafEntry, target: str, qna: bytes, attribution: bytes) -> list[FileChange]:
    """The changes that bring all files of ``entry`` to ``target``, with new text in two of them."""
    if not attribution and entry.attribution_blob is not None:
        attribution = store.read_blob(entry.attribution_blob)
    texts = {QNA: (entry.blob, qna), ATTRIBUTION: (entry.attribution_blob, attribution or None)}
    if entry.data_blob is not None:
        texts[DATA_FILE] = (entry.data_blob, store.read_blob(entry.data_blob))
    changes = []
    for name, (blob, text) in texts.items():
        if blob is not None:
            changes.append(FileChange(path=f"{entry.path}/{name}", data=None, base_blob=blob))
        if text is not None:
            changes.append(FileChange(path=f"{target}/{name}", data=text, base_blob=None))
    return changes


def _commit(
    store: TaxonomyStore,
    pending: PendingCommit,
    path: str,
    changes: list[FileChange],
    *,
    moved_from: str | None = None,
) -> str:
    """Author is the contributor; the trailers name sign-off, reviewer and submission."""
    verb = "Improve" if pending.submission.improves else "Add"
    moved = {} if moved_from is None else {moved_from: path}
    outcome = store.commit(
        changes,
        author=Person(pending.author_name, pending.author_email),
        message=f"{verb} {path}" if moved_from is None else f"Move {moved_from} to {path} and improve it",
        trailers={
            "Signed-off-by": pending.signed_off_by,
            "Reviewed-by": pending.reviewed_by.splitlines(),
            **({"Suggested-by": suggested} if (suggested := _suggested_by(pending)) else {}),
            "Submission": trailer(pending),
        },
        when=pending.approved_at,
        moves=moved,
    )
    return outcome.commit


def _suggested_by(pending: PendingCommit) -> list[str]:
    """The reviewers whose texts the author had taken over when they signed this revision off."""
    accepted = Comment.objects.filter(
        submission=pending.submission_id,
        suggestion__isnull=False,
        resolution__outcome=CommentResolution.Outcome.ACCEPTED,
        # What was accepted later is in a version that was begun since, not in the one that was approved.
        resolution__at__lte=pending.revision.signed_off_at,
    ).select_related("author")
    return list(dict.fromkeys(identity(comment.author) for comment in accepted))


def trailer(pending: PendingCommit) -> str:
    """What the commit says of its submission: number and revision, by which a second run knows its own work."""
    return f"S{pending.submission_id}/{pending.revision.number}"


def _committed_before(store: TaxonomyStore, pending: PendingCommit, path: str) -> str | None:
    """The commit that an earlier, killed attempt made. Only looked for on later attempts: it reads history."""
    wanted = trailer(pending)
    # By identity where the leaf has one: the attempt may have moved it.
    leaf = str(pending.submission.leaf_id) if pending.moves else path
    if store.head() is None:
        return None
    for entry in store.history(leaf, limit=HISTORY_LOOKED_AT):
        if wanted in entry.trailers.get("Submission", ()):
            return entry.commit
    return None


def _path_now(store: TaxonomyStore, pending: PendingCommit, *, now: datetime) -> str:
    """Where the leaf is now: an improvement follows its leaf when that was moved.

    The index learns of a move after the run that made it, so where it shows a place without a leaf it is asked again.
    """
    if pending.submission.leaf_id is None:
        return pending.path
    path = _indexed_path(pending)
    head = store.head()
    if head is not None and store.snapshot(head).get(path) is None:
        tree_services.index_update(now=now)
        path = _indexed_path(pending)
    return path


def _indexed_path(pending: PendingCommit) -> str:
    leaf = tree_models.Leaf.objects.present().filter(leaf_id=pending.submission.leaf_id).first()
    return leaf.path if leaf else pending.path


def _gone(store: TaxonomyStore, pending: PendingCommit, path: str, *, now: datetime) -> Exception:
    """Why no leaf is at ``path``: it was moved this instant, so that this is tried again there, or it was removed."""
    if _path_now(store, pending, now=now) != path:
        return RuntimeError("The leaf was moved while this was being brought in; it is tried again later.")
    return _TrueConflict(b"", "The leaf was removed from the taxonomy meanwhile.")


def _with_document(pending: PendingCommit) -> bytes:
    """The leaf's bytes with its document stored and pinned by commit; storing the same text again changes nothing."""
    qna = bytes(pending.qna)
    if not pending.document_text:
        return qna
    leaf = read_leaf(qna, pending.path).leaf
    if leaf is None or leaf.document is None or leaf.document.repo != DOCUMENT_REPOSITORY:
        return qna
    if not pending.document_commit:
        reference = tree_services.document_store().add(
            pending.document_name,
            pending.document_text.encode(),
            author=Person(pending.author_name, pending.author_email),
            when=pending.approved_at,
        )
        PendingCommit.objects.filter(pk=pending.pk).update(document_commit=reference.commit)
        pending.document_commit = reference.commit
    reference = replace(leaf.document, commit=pending.document_commit)
    return documents.with_document(qna, pending.path, leaf, reference)


def _merged(store: TaxonomyStore, pending: PendingCommit, theirs: bytes, path: str) -> bytes:
    """The approved leaf and the taxonomy's joined seed by seed.

    Raises:
        _TrueConflict: both changed the same thing, or what would come out of it is not a valid leaf.
    """
    base = store.read_blob(pending.base_blob) if pending.base_blob else None
    try:
        joined = merge_leaf_bytes(base=base, ours=_with_document(pending), theirs=theirs, path=path)
    except MergeConflict as conflict:
        raise _TrueConflict(theirs, _spoken(conflict)) from None
    except ValueError:
        raise _TrueConflict(theirs, "The leaf in the taxonomy cannot be read any more.") from None
    if not read_leaf(joined, path).valid:
        raise _TrueConflict(theirs, "Both changes together do not make a valid leaf.")
    return joined


def _spoken(conflict: MergeConflict) -> str:
    """Where both sides changed the same, in a sentence for the author."""
    places = []
    for one in conflict.conflicts[:5]:
        match = _SEED_FIELD.match(one.field)
        if match is None:
            places.append(f"the {one.field.replace('_', ' ')}")
        else:
            part = match["part"].rpartition(".")[2]
            places.append(f"the {part} of seed {int(match['seed']) + 1}" if part else f"seed {int(match['seed']) + 1}")
    return f"Both you and somebody else changed {', '.join(dict.fromkeys(places))}."


def _joined_attribution(theirs: bytes, ours: bytes) -> bytes:
    """Both sides' sources, each once: a joined leaf stands on the sources of both."""
    seen = documents.sources_from_bytes(theirs) if theirs else []
    for source in documents.sources_from_bytes(ours) if ours else []:
        if source not in seen:
            seen.append(source)
    return documents.attribution_bytes(seen)


# --- Marks in the database ----------------------------------------------------------------------


@transaction.atomic
def _finish(pending: PendingCommit, commit: str, *, now: datetime) -> None:
    done = PendingCommit.objects.waiting().filter(pk=pending.pk)
    if not done.update(state=PendingCommit.State.DONE, commit=commit, done_at=now, problem="", next_try_at=None):
        return  # another run was faster; it has recorded this
    _settle(pending, SubmissionEvent.Kind.COMMITTED, now=now, state=State.COMMITTED, commit=commit)


@transaction.atomic
def _finish_with_conflict(pending: PendingCommit, conflict: _TrueConflict, *, now: datetime) -> None:
    done = PendingCommit.objects.waiting().filter(pk=pending.pk)
    fields: dict[str, Any] = {"state": PendingCommit.State.CONFLICT, "their_qna": conflict.theirs, "done_at": now}
    if not done.update(problem=str(conflict), next_try_at=None, **fields):
        return
    _settle(pending, SubmissionEvent.Kind.CONFLICT, now=now, reason=str(conflict), state=State.CONFLICT)


def _settle(pending: PendingCommit, kind: str, *, now: datetime, reason: str = "", **fields: Any) -> None:
    Submission.objects.filter(pk=pending.submission_id, state=State.APPROVED).update(
        updated_at=now, claimed_by=None, claimed_at=None, **fields
    )
    SubmissionEvent.objects.create(
        submission_id=pending.submission_id,
        kind=kind,
        person=None,
        revision_number=pending.revision.number,
        reason=reason,
        at=now,
    )
    notices_send(submission=pending.submission, kind=kind, by=None, now=now)


def _postpone(pending: PendingCommit, error: Exception, *, now: datetime) -> None:
    wait = min(LEASE * 2 ** min(pending.attempts, 10), LONGEST_WAIT)
    PendingCommit.objects.waiting().filter(pk=pending.pk).update(
        problem=f"{type(error).__name__}: {error}"[:2000], next_try_at=now + wait
    )


def _identify(unidentified: QuerySet[Submission]) -> None:
    """Give committed new leaves the identity that the index has for their place."""
    for submission in unidentified:
        leaf = tree_models.Leaf.objects.filter(path=submission.path).order_by("-changed_at").first()
        if leaf is not None:
            Submission.objects.filter(pk=submission.pk, leaf_id__isnull=True).update(leaf_id=leaf.leaf_id)
