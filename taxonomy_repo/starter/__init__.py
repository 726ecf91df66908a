"""The small taxonomy that a new installation begins with: plain files beside this one, and how they get in.

``taxonomy/`` holds leaves as they lie in the repository, ``documents/`` the texts of the knowledge leaves. All of it
was written for this project (Apache-2.0); the places and people in the documents are invented, so that no model knows
them beforehand.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from taxonomy_repo.documents import DocumentStore
from taxonomy_repo.leaf import DOCUMENT_REPOSITORY, read_leaf, write_leaf
from taxonomy_repo.paths import LEAF_FILES, QNA_FILE
from taxonomy_repo.repository import Person
from taxonomy_repo.store import FileChange, TaxonomyStore

FOLDER = Path(__file__).parent
AUTHOR = Person("Seedbed", "seedbed@localhost")
# The documents are dated once for all, so that a fresh installation's commit is the one that the leaves' files name.
DOCUMENTS_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def starter_files() -> dict[str, bytes]:
    """The leaves' files by path, such as ``knowledge/places/islands/skerra_peat_ferry/qna.yaml``."""
    return _files(FOLDER / "taxonomy")


def starter_documents() -> dict[str, bytes]:
    """The documents by name, such as ``places/skerra-peat-ferry.md``."""
    return _files(FOLDER / "documents")


def install_starter(taxonomy: TaxonomyStore, documents: DocumentStore, when: datetime) -> bool:
    """Put the starter taxonomy into an empty one; True when it was put.

    A taxonomy that has had any commit is left alone, whatever became of its leaves. A crash in between leaves either
    nothing or all of it, and calling again completes it.
    """
    taxonomy.create()
    documents.create()
    with taxonomy.writing():
        if taxonomy.head() is not None:
            return False
        reference = documents.add_all(
            starter_documents(), author=AUTHOR, when=DOCUMENTS_WRITTEN, message="Add the starter taxonomy's documents"
        )
        changes = []
        for path, data in starter_files().items():
            if path.endswith(f"/{QNA_FILE}"):
                data = _pinned(path, data, reference.commit)  # noqa: PLW2901
            changes.append(FileChange(path, data, None))
        taxonomy.commit(changes, author=AUTHOR, message="Begin with the starter taxonomy", when=when)
    return True


def _pinned(path: str, data: bytes, commit: str) -> bytes:
    """A leaf whose document is pinned to ``commit``: another one only where documents were there before."""
    leaf = read_leaf(data, path.rpartition("/")[0]).leaf
    document = None if leaf is None else leaf.document
    if leaf is None or document is None or document.repo != DOCUMENT_REPOSITORY or document.commit == commit:
        return data
    return write_leaf(dataclasses.replace(leaf, document=dataclasses.replace(document, commit=commit)))


def _files(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    known = (path for path in paths if path.name in LEAF_FILES or path.suffix == ".md")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in known}
