"""A taxonomy and a remote branch, kept equal over a real https connection."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pygit2
import pytest

from taxonomy_repo.leaf import Leaf, SeedExample, read_leaf, write_leaf
from taxonomy_repo.remote.address import RemoteProblem
from taxonomy_repo.remote.program import Credential, GitProgram
from taxonomy_repo.remote.sync import RemoteBranch, SyncResult, branch_problem, fetch, look_over, synchronise
from taxonomy_repo.store import FileChange, Person, StoreProblem, TaxonomyStore
from taxonomy_repo.taxonomy_merge import Side, TaxonomyConflict
from tests.git_host import GitHost, commit_files, git

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHOR = Person("Seedbed", "seedbed@localhost")
PATH = "compositional_skills/writing/haiku"
OTHER = "compositional_skills/writing/limericks"


def leaf(subject: str = "rain", **changes: object) -> Leaf:
    seeds = tuple(SeedExample(f"Write about {subject}, {n}.", f"Lines on {subject}, {n}.") for n in range(5))
    return dataclasses.replace(Leaf(3, "mara", f"Write about {subject}.", seeds), **changes)  # type: ignore[arg-type]


def seeds_with(changed: Leaf, number: int, answer: str) -> bytes:
    seeds = list(changed.seed_examples)
    seeds[number] = dataclasses.replace(seeds[number], answer=answer)  # type: ignore[call-arg]
    return write_leaf(dataclasses.replace(changed, seed_examples=tuple(seeds)))


class Other:
    """Somebody who works on the same taxonomy at the host, with git and a work tree."""

    def __init__(self, bare: Path, folder: Path) -> None:
        self.work = folder
        git("clone", "--quiet", str(bare), str(folder), cwd=bare)
        git("checkout", "--quiet", "-B", "main", cwd=folder)

    def commit(self, files: dict[str, bytes | None], message: str = "Change files") -> str:
        made = commit_files(self.work, files, message)
        git("push", "--quiet", "origin", "main", cwd=self.work)
        return made

    def pull(self) -> None:
        git("pull", "--quiet", "--rebase", "origin", "main", cwd=self.work)


@pytest.fixture
def bare(host: GitHost) -> Path:
    return host.repository("taxonomy.git")


@pytest.fixture
def other(bare: Path, tmp_path: Path) -> Other:
    return Other(bare, tmp_path / "work")


def here(store: TaxonomyStore, path: str, data: bytes | None, *, message: str = "Change a leaf") -> str:
    head = store.head()
    entry = store.snapshot(head).get(path) if head else None
    change = FileChange(f"{path}/qna.yaml", data, entry.blob if entry else None)
    return store.commit([change], author=Person("Rosa", "rosa@example.org"), message=message, when=WHEN).commit


def sync(
    store: TaxonomyStore, host: GitHost, *, pushes: bool = True, decided: dict[str, Side] | None = None
) -> SyncResult:
    remote = RemoteBranch("origin", host.url("taxonomy.git"))
    return synchronise(
        store, remote, GitProgram(host.rules()), author=AUTHOR, when=WHEN, pushes=pushes, decided=decided
    )


def text(store: TaxonomyStore, path: str) -> bytes:
    data = store.file_at(store.head() or "", f"{path}/qna.yaml")
    assert data is not None
    return data


def test_an_empty_remote_branch_gets_all_that_is_here(host: GitHost, bare: Path, store: TaxonomyStore) -> None:
    commit = here(store, PATH, write_leaf(leaf()))
    done = sync(store, host)
    assert (done.outcome, done.pushed, done.fetched) == ("same", True, commit)
    assert git("rev-parse", "main", cwd=bare) == commit
    assert not sync(store, host).pushed


def test_an_empty_taxonomy_follows_the_remote_branch_with_its_history(
    host: GitHost, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf())}, "Add haiku")
    tip = other.commit({f"{PATH}/qna.yaml": seeds_with(leaf(), 0, "Better lines.")}, "Improve haiku")
    done = sync(store, host)
    assert (done.before, done.commit, done.outcome, done.pushed) == (None, tip, "forward", False)
    assert [step.author.name for step in store.history(PATH)] == ["Mara Quist", "Mara Quist"]


def test_what_both_changed_is_merged_seed_by_seed_and_pushed(
    host: GitHost, bare: Path, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf()), "README.md": b"# Seeds\n"})
    sync(store, host)
    before = here(store, PATH, seeds_with(leaf(), 0, "Changed here."))
    theirs = other.commit({f"{PATH}/qna.yaml": seeds_with(leaf(), 4, "Changed there.")})
    done = sync(store, host)
    assert (done.outcome, done.pushed) == ("merged", True)
    merged = read_leaf(text(store, PATH), PATH).leaf
    assert merged is not None
    assert [seed.answer for seed in merged.pairs()][::4] == ["Changed here.", "Changed there."]
    assert git("rev-parse", "main", cwd=bare) == done.commit
    commit = store.repository.commit(done.commit or "")
    assert [str(parent) for parent in commit.parent_ids] == [before, theirs]
    assert "Co-authored-by: Mara Quist <mara@example.org>" in commit.message
    assert store.file_at(done.commit or "", "README.md") == b"# Seeds\n"
    # The one at the other end needs nothing special to go on.
    other.pull()
    assert (other.work / PATH / "qna.yaml").read_bytes() == text(store, PATH)


def test_a_leaf_moved_there_and_edited_here_is_moved_and_edited_and_keeps_its_identity(
    host: GitHost, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf()), f"{PATH}/attribution.txt": b"Title of work: Rain\n"})
    sync(store, host)
    identity = store.leaf_ids(store.head() or "")[PATH]
    here(store, PATH, seeds_with(leaf(), 0, "Changed here."))
    target = "compositional_skills/poems/haiku"
    other.commit(
        {
            f"{PATH}/qna.yaml": None,
            f"{PATH}/attribution.txt": None,
            f"{target}/qna.yaml": write_leaf(leaf()),
            f"{target}/attribution.txt": b"Title of work: Rain\n",
        }
    )
    done = sync(store, host)
    assert store.snapshot(done.commit or "").get(PATH) is None
    assert store.leaf_ids(done.commit or "") == {target: identity}
    assert b"Changed here." in text(store, target)
    assert store.file_at(done.commit or "", f"{target}/attribution.txt") == b"Title of work: Rain\n"


def test_a_true_conflict_commits_nothing_and_is_told_by_field_until_somebody_decides(
    host: GitHost, bare: Path, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf()), f"{OTHER}/qna.yaml": write_leaf(leaf("fog"))})
    sync(store, host)
    mine = here(store, PATH, seeds_with(leaf(), 2, "Mine."))
    tip = other.commit(
        {f"{PATH}/qna.yaml": seeds_with(leaf(), 2, "Theirs."), f"{OTHER}/qna.yaml": seeds_with(leaf("fog"), 0, "New.")}
    )
    with pytest.raises(TaxonomyConflict) as caught:
        sync(store, host)
    [conflict] = caught.value.leaves
    assert (conflict.path, [field.field for field in conflict.fields]) == (PATH, ["seed_examples[2].answer"])
    assert (store.head(), git("rev-parse", "main", cwd=bare)) == (mine, tip)
    done = sync(store, host, decided={PATH: "theirs"})
    assert done.pushed
    assert text(store, PATH) == seeds_with(leaf(), 2, "Theirs.")
    assert text(store, OTHER) == seeds_with(leaf("fog"), 0, "New.")


@pytest.mark.parametrize(("side", "kept"), [("ours", True), ("theirs", False)])
def test_a_leaf_taken_away_there_and_changed_here_waits_for_a_decision(
    side: Side, kept: bool, host: GitHost, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf()), f"{OTHER}/qna.yaml": write_leaf(leaf("fog"))})
    sync(store, host)
    here(store, PATH, seeds_with(leaf(), 0, "Changed here."))
    other.commit({f"{PATH}/qna.yaml": None})
    with pytest.raises(TaxonomyConflict) as caught:
        sync(store, host)
    assert caught.value.leaves[0].reason == "This leaf was taken away at the other end and changed here."
    done = sync(store, host, decided={PATH: side})
    assert (store.snapshot(done.commit or "").get(PATH) is not None) is kept


def test_another_file_that_both_changed_is_a_conflict_of_its_own(
    host: GitHost, other: Other, store: TaxonomyStore
) -> None:
    other.commit({"README.md": b"one\n", f"{PATH}/qna.yaml": write_leaf(leaf())})
    sync(store, host)
    head = store.head() or ""
    with store.repository.writing() as writer:
        tree = writer.tree(head, {"README.md": writer.blob(b"here\n")})
        writer.commit(tree=tree, parent=head, author=AUTHOR, message="Say more", when=WHEN)
    other.commit({"README.md": b"there\n"})
    with pytest.raises(TaxonomyConflict) as caught:
        sync(store, host)
    assert [conflict.path for conflict in caught.value.leaves] == ["README.md"]
    done = sync(store, host, decided={"README.md": "ours"})
    assert store.file_at(done.commit or "", "README.md") == b"here\n"


def test_a_push_that_came_too_late_is_made_again_after_another_merge(
    host: GitHost, bare: Path, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf())})
    sync(store, host)
    here(store, PATH, seeds_with(leaf(), 0, "Changed here."))
    host.before_push = lambda: other.commit({f"{PATH}/qna.yaml": seeds_with(leaf(), 4, "Changed there.")}) and None
    done = sync(store, host)
    assert (done.rejections, done.pushed, done.outcome) == (1, True, "merged")
    assert b"Changed here." in text(store, PATH)
    assert b"Changed there." in text(store, PATH)
    assert git("rev-parse", "main", cwd=bare) == done.commit


def test_a_merge_made_elsewhere_with_our_commit_as_its_second_parent_does_not_break_our_line(
    host: GitHost, other: Other, store: TaxonomyStore
) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf())})
    sync(store, host)
    commit_files(other.work, {f"{OTHER}/qna.yaml": write_leaf(leaf("fog"))})
    mine = here(store, PATH, seeds_with(leaf(), 0, "Changed here."))
    sync(store, host, pushes=True)
    git("pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main", cwd=other.work)
    git("push", "--quiet", "origin", "main", cwd=other.work)
    done = sync(store, host)
    line = [str(commit.id) for commit in store.repository.first_parents(done.commit)]
    assert mine in line
    assert text(store, OTHER) == write_leaf(leaf("fog"))


def test_a_host_whose_rules_forbid_the_push_is_told_as_such(host: GitHost, bare: Path, store: TaxonomyStore) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected branch >&2\nexit 1\n")
    hook.chmod(0o755)
    here(store, PATH, write_leaf(leaf()))
    with pytest.raises(RemoteProblem) as caught:
        sync(store, host)
    assert caught.value.code == "push-refused"


def test_taxonomies_with_nothing_in_common_are_not_mixed(host: GitHost, other: Other, store: TaxonomyStore) -> None:
    other.commit({f"{PATH}/qna.yaml": write_leaf(leaf())})
    mine = here(store, OTHER, write_leaf(leaf("fog")))
    with pytest.raises(StoreProblem) as caught:
        sync(store, host)
    assert (caught.value.code, store.head()) == ("unrelated", mine)


def test_a_password_reaches_the_host_and_nothing_else(
    host: GitHost, bare: Path, store: TaxonomyStore, caplog: pytest.LogCaptureFixture
) -> None:
    host.accounts["bot"] = "s3cret-token"
    here(store, PATH, write_leaf(leaf()))
    program = GitProgram(host.rules())

    def with_password(password: str) -> SyncResult:
        remote = RemoteBranch("origin", host.url("taxonomy.git"), credential=Credential("bot", password))
        return synchronise(store, remote, program, author=AUTHOR, when=WHEN, pushes=True)

    with pytest.raises(RemoteProblem) as caught:
        with_password("wr0ng-token")
    assert caught.value.code == "not-allowed"
    assert "wr0ng-token" not in str(caught.value) + caplog.text
    assert with_password("s3cret-token").pushed
    kept = b"".join(path.read_bytes() for path in store.repository.path.rglob("*") if path.is_file())
    assert b"s3cret-token" not in kept
    assert "s3cret-token" not in repr(Credential("bot", "s3cret-token"))
    assert all("s3cret" not in path for _, path in host.requests)


def test_a_password_is_needed_where_the_host_asks_for_one(host: GitHost, bare: Path, store: TaxonomyStore) -> None:
    host.accounts["bot"] = "s3cret-token"
    with pytest.raises(RemoteProblem) as caught:
        fetch(store, RemoteBranch("origin", host.url("taxonomy.git")), GitProgram(host.rules()))
    assert caught.value.code == "not-allowed"


@pytest.mark.parametrize(
    "files",
    [
        {"compositional_skills/bad\\name/qna.yaml": b"x: 1\n"},
        {f"compositional_skills/{'deep/' * 100}qna.yaml": b"x: 1\n"},
        {"compositional_skills/tab\there/qna.yaml": b"x: 1\n"},
    ],
)
def test_what_could_not_be_shown_is_not_taken_in(
    files: dict[str, bytes | None], host: GitHost, other: Other, store: TaxonomyStore
) -> None:
    other.commit(files)
    other.commit(dict.fromkeys(files, None) | {"README.md": b"Nothing was there.\n"})
    with pytest.raises(RemoteProblem) as caught:
        sync(store, host)
    assert (caught.value.code, store.head()) == ("unusable", None)


def test_a_small_pack_that_unfolds_without_end_is_refused_at_once(store: TaxonomyStore) -> None:
    git_here = store.repository.git
    inner = git_here.create_blob(b"x")
    mode = 0o100644
    for _ in range(12):
        builder = git_here.TreeBuilder()
        for name in "abcdefghij":
            builder.insert(name, inner, mode)
        inner, mode = builder.write(), 0o040000
    signature = pygit2.Signature("Mara", "mara@example.org", 0, 0)
    commit = git_here.create_commit(None, signature, signature, "Unfold", inner, [])
    with pytest.raises(RemoteProblem) as caught:
        look_over(store.repository, str(commit))
    assert caught.value.code == "unusable"


@pytest.mark.parametrize(
    "branch", ["", "-main", "a..b", "a b", "a/", ".a", "a/.b", "a.lock", "main:other", "+main", "a~1", "@{u}", "a//b"]
)
def test_what_is_no_name_of_a_branch_is_said(branch: str) -> None:
    assert branch_problem(branch)


def test_a_branch_may_have_slashes_and_dots() -> None:
    assert branch_problem("release/2026.1") is None
