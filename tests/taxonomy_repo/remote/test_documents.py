"""Documents that lie in a repository elsewhere: fetched at their commit, converted, kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxonomy_repo.documents import DocumentProblem, DocumentStore
from taxonomy_repo.leaf import DocumentReference
from taxonomy_repo.remote.address import RemoteProblem
from taxonomy_repo.remote.documents import documents_fetch
from taxonomy_repo.remote.program import GitProgram
from tests.git_host import GitHost, commit_files, git
from tests.papers import office, pdf

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def work(host: GitHost, tmp_path: Path) -> Path:
    bare = host.repository("papers.git")
    folder = tmp_path / "work"
    git("clone", "--quiet", str(bare), str(folder), cwd=bare)
    git("checkout", "--quiet", "-B", "main", cwd=folder)
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path / "documents.git")


def put(work: Path, files: dict[str, bytes | None]) -> str:
    commit = commit_files(work, files)
    git("push", "--quiet", "origin", "main", cwd=work)
    return commit


def get(host: GitHost, documents: DocumentStore, commit: str, *patterns: str) -> list[str]:
    reference = DocumentReference(host.url("papers.git"), commit, patterns)
    return documents_fetch(documents, reference, GitProgram(host.rules()), when=WHEN)


def test_documents_are_fetched_at_their_commit_converted_and_kept(
    host: GitHost, work: Path, documents: DocumentStore
) -> None:
    commit = put(
        work,
        {
            "docs/lock.md": b"# Lock\n",
            "docs/report.pdf": pdf("The lock was built in 1911 by two brothers."),
            "docs/deep/talk.docx": office("# Talk", "docx"),
            "docs/picture.png": b"\x89PNG",
            "src/lock.py": b"x = 1\n",
        },
    )
    put(work, {"docs/lock.md": b"# Another lock\n", "docs/report.pdf": None})
    assert get(host, documents, commit, "docs/**") == ["docs/deep/talk.docx.md", "docs/lock.md", "docs/report.pdf.md"]
    reference = DocumentReference(host.url("papers.git"), commit, ("docs/**",))
    assert dict(documents.read(reference)) == {
        "docs/deep/talk.docx.md": "# Talk\n",
        "docs/lock.md": "# Lock\n",
        "docs/report.pdf.md": "The lock was built in 1911 by two brothers.\n",
    }
    asked = len(host.requests)
    assert len(get(host, documents, commit, "docs/**")) == 3
    assert len(host.requests) == asked, "what is kept is not fetched again"


def test_two_leaves_may_mean_different_files_of_one_commit(host: GitHost, work: Path, documents: DocumentStore) -> None:
    commit = put(work, {"a.md": b"A\n", "b.md": b"B\n"})
    assert get(host, documents, commit, "a.md") == ["a.md"]
    assert get(host, documents, commit, "b.md") == ["b.md"]
    with pytest.raises(DocumentProblem) as caught:
        documents.blobs(DocumentReference(host.url("papers.git"), commit, ("a.md", "b.md")))
    assert caught.value.code == "document-not-fetched"


@pytest.mark.parametrize(
    ("commit", "pattern", "wanted"),
    [("main", "a.md", "document-not-pinned"), ("", "*.pdf", "document-missing"), ("", "../a.md", "document-missing")],
)
def test_a_reference_that_means_nothing_is_said_and_nothing_is_kept(
    commit: str, pattern: str, wanted: str, host: GitHost, work: Path, documents: DocumentStore
) -> None:
    pushed = put(work, {"a.md": b"A\n"})
    with pytest.raises(DocumentProblem) as caught:
        get(host, documents, commit or pushed, pattern)
    assert caught.value.code == wanted
    reference = DocumentReference(host.url("papers.git"), commit or pushed, (pattern,))
    assert documents.fetched(reference) is None


def test_a_commit_that_the_host_does_not_have(host: GitHost, work: Path, documents: DocumentStore) -> None:
    put(work, {"a.md": b"A\n"})
    with pytest.raises(RemoteProblem) as caught:
        get(host, documents, "0123456789" * 4, "a.md")
    assert caught.value.code == "no-commit"


def test_a_host_that_gives_out_branches_only_is_asked_for_them(
    host: GitHost, work: Path, documents: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = put(work, {"a.md": b"Old\n"})
    put(work, {"a.md": b"New\n"})
    asked: list[list[str]] = []
    run = GitProgram.run

    def refusing(self: GitProgram, arguments: list[str], **options: object) -> object:
        asked.append(list(arguments))
        if "--depth=1" in arguments:
            raise RemoteProblem("no-commit", "The repository does not give out that version.")
        return run(self, arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(GitProgram, "run", refusing)
    assert get(host, documents, commit, "a.md") == ["a.md"]
    assert len(asked) == 2
    assert documents.read(DocumentReference(host.url("papers.git"), commit, ("a.md",))) == [("a.md", "Old\n")]


def test_links_lead_nowhere_and_submodules_are_not_fetched(
    host: GitHost, work: Path, documents: DocumentStore, tmp_path: Path
) -> None:
    (work / "passwd.md").symlink_to("/etc/passwd")
    (work / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = {host.url("other.git")}\n')
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x", cwd=work)
    commit = put(work, {"a.md": b"A\n"})
    assert get(host, documents, commit, "*.md") == ["a.md"]
    assert not any("other.git" in path for _, path in host.requests)


def test_one_document_that_cannot_be_read_is_named(host: GitHost, work: Path, documents: DocumentStore) -> None:
    commit = put(work, {"a.md": b"A\n", "scan.pdf": pdf("", picture=True)})
    with pytest.raises(DocumentProblem, match=r"scan\.pdf has only pictures"):
        get(host, documents, commit, "*")


def test_a_place_that_may_not_be_talked_to_is_not(documents: DocumentStore, host: GitHost) -> None:
    for repo, wanted in (
        ("http://localhost/a.git", "bad-address"),
        ("file:///etc", "bad-address"),
        ("https://169.254.169.254/latest", "host-not-listed"),
        ("https://elsewhere.example/a.git", "host-not-listed"),
    ):
        with pytest.raises(RemoteProblem) as caught:
            documents_fetch(
                documents, DocumentReference(repo, "1" * 40, ("a.md",)), GitProgram(host.rules()), when=WHEN
            )
        assert caught.value.code == wanted
    assert host.requests == []
