"""Git's program against a real https server: where it connects, what it obeys, what it leaves behind."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from taxonomy_repo.remote import address as addresses
from taxonomy_repo.remote.address import RemoteProblem, check_address
from taxonomy_repo.remote.program import Credential, GitProgram
from taxonomy_repo.remote.sync import RemoteBranch, fetch
from taxonomy_repo.store import TaxonomyStore
from tests.git_host import HOST, GitHost, commit_files, git, git_host


@pytest.fixture
def filled(host: GitHost, tmp_path: Path) -> Path:
    """A repository at the host with one commit; its work tree."""
    bare = host.repository("taxonomy.git")
    work = tmp_path / "work"
    git("clone", "--quiet", str(bare), str(work), cwd=bare)
    git("checkout", "--quiet", "-B", "main", cwd=work)
    commit_files(work, {"README.md": b"# Seeds\n"})
    git("push", "--quiet", "origin", "main", cwd=work)
    return work


def code(store: TaxonomyStore, host: GitHost, url: str = "", **rules: object) -> str:
    with pytest.raises(RemoteProblem) as caught:
        fetch(store, RemoteBranch("origin", url or host.url("taxonomy.git")), GitProgram(host.rules(**rules)))
    return caught.value.code


def test_the_address_that_was_checked_is_the_one_connected_to(
    host: GitHost, filled: Path, store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is looked up once; what it would answer a second time does not count."""
    asked: list[str] = []

    def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    monkeypatch.setattr(addresses, "look_up", resolve)
    assert fetch(store, RemoteBranch("origin", host.url("taxonomy.git")), GitProgram(host.rules()))
    assert asked == [HOST]


def test_a_name_that_no_resolver_knows_is_reached_at_its_pinned_address(tmp_path: Path, store: TaxonomyStore) -> None:
    folder = tmp_path / "named"
    folder.mkdir()
    with git_host(folder, name="code.test") as named:
        bare = named.repository("taxonomy.git")
        work = tmp_path / "work"
        git("clone", "--quiet", str(bare), str(work), cwd=bare)
        git("checkout", "--quiet", "-B", "main", cwd=work)
        tip = commit_files(work, {"README.md": b"# Seeds\n"})
        git("push", "--quiet", "origin", "main", cwd=work)
        url = f"https://code.test:{named.port}/taxonomy.git"
        rules = named.rules(hosts=(f"code.test:{named.port}",))
        address = check_address(url, rules, lambda host, port: ["127.0.0.1"])
        program = GitProgram(rules)
        program.run(
            ["fetch", "--quiet", url, "+refs/heads/main:refs/remotes/named/main"],
            git_dir=store.repository.path,
            address=address,
        )
    assert str(store.repository.git.references["refs/remotes/named/main"].target) == tip


def test_a_host_named_by_its_number_is_reached_and_signed_in_to(
    host: GitHost, filled: Path, store: TaxonomyStore
) -> None:
    host.accounts["bot"] = "s3cret-token"
    rules = host.rules(hosts=(f"127.0.0.1:{host.port}",))
    url = host.url("taxonomy.git", "127.0.0.1")
    assert fetch(store, RemoteBranch("origin", url, credential=Credential("bot", "s3cret-token")), GitProgram(rules))


def test_a_host_that_is_not_listed_is_not_asked(host: GitHost, filled: Path, store: TaxonomyStore) -> None:
    assert code(store, host, hosts=("code.example",)) == "host-not-listed"
    assert code(store, host, private_networks=()) == "private-address"
    assert host.requests == []


def test_a_redirect_is_not_followed_even_to_a_host_that_would_answer(
    host: GitHost, filled: Path, store: TaxonomyStore, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with git_host(folder, sharing=host.folder) as elsewhere:
        git("clone", "--quiet", "--bare", str(filled), str(folder / "taxonomy.git"), cwd=folder)
        # It would be found there: that it is not fetched is because nobody asks.
        assert fetch(store, RemoteBranch("probe", elsewhere.url("taxonomy.git")), GitProgram(elsewhere.rules()))
        elsewhere.requests.clear()
        host.redirect_to = f"https://localhost:{elsewhere.port}"
        assert code(store, host) == "moved"
        assert elsewhere.requests == []
    host.redirect_to = host.url("").rstrip("/")
    assert code(store, host) == "moved"


def test_a_certificate_of_nobody_is_not_trusted(host: GitHost, filled: Path, store: TaxonomyStore) -> None:
    assert code(store, host, certificates=None) == "certificate"


def test_what_takes_too_long_is_ended_with_all_it_started(host: GitHost, filled: Path, store: TaxonomyStore) -> None:
    host.slow_seconds = 250  # longer than anybody would wait for this test
    begun = time.monotonic()
    assert code(store, host, seconds=1.0) == "too-slow"
    assert time.monotonic() - begun < 60
    host.hurry.set()


def test_what_is_too_large_is_given_up(host: GitHost, filled: Path, store: TaxonomyStore) -> None:
    commit_files(filled, {f"noise/{number}.bin": os.urandom(40_000) for number in range(60)})
    git("push", "--quiet", "origin", "main", cwd=filled)
    assert code(store, host, most_bytes=1_000_000) == "too-large"
    assert fetch(store, RemoteBranch("origin", host.url("taxonomy.git")), GitProgram(host.rules()))


def test_what_is_not_there_is_said(host: GitHost, filled: Path, store: TaxonomyStore) -> None:
    assert code(store, host, host.url("nothing.git")) == "no-repository"
    assert fetch(store, RemoteBranch("origin", host.url("taxonomy.git"), "no-such"), GitProgram(host.rules())) is None


def test_nothing_answers(host: GitHost, store: TaxonomyStore) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert code(store, host, f"https://localhost:{port}/a.git", hosts=(f"localhost:{port}",)) == "unreachable"


def test_settings_of_the_machine_and_of_this_process_are_not_obeyed(
    host: GitHost, filled: Path, store: TaxonomyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A global setting, a proxy, a hook, an askpass program and a trace file: each would leave a mark."""
    marks = tmp_path / "marks"
    marks.mkdir()
    mark = tmp_path / "mark.sh"
    mark.write_text(f"#!/bin/sh\ntouch {marks}/$(basename $0)-$1\n")
    mark.chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n\thooksPath = {tmp_path}\n\taskPass = {mark}\n[credential]\n\thelper = {mark}\n"
        f'[url "https://elsewhere.example/"]\n\tinsteadOf = https://localhost:{host.port}/\n'
    )
    for name in ("reference-transaction", "post-checkout", "pre-push"):
        (store.repository.path / "hooks").mkdir(exist_ok=True)
        for folder in (tmp_path, store.repository.path / "hooks"):
            (folder / name).write_text(mark.read_text())
            (folder / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_ASKPASS", str(mark))
    monkeypatch.setenv("GIT_TRACE", str(marks / "trace"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    assert fetch(store, RemoteBranch("origin", host.url("taxonomy.git")), GitProgram(host.rules()))
    host.accounts["bot"] = "right"
    assert code(store, host) == "not-allowed"
    assert code(store, host, certificates=None) == "certificate"
    assert list(marks.iterdir()) == []


def test_the_process_gets_no_secret_of_ours_and_none_on_its_command_line(
    host: GitHost, filled: Path, store: TaxonomyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the program writes down what it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\nenv > {tmp_path}/environment\nprintf "%s\\n" "$@" > {tmp_path}/arguments\n'
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEDBED_SECRET_KEY", "of-the-installation")
    address = check_address(host.url("taxonomy.git"), host.rules())
    GitProgram(host.rules()).run(
        ["fetch"], git_dir=store.repository.path, address=address, credential=Credential("bot", "s3cret-token")
    )
    environment = (tmp_path / "environment").read_text()
    assert "of-the-installation" not in environment
    assert environment.count("s3cret-token") == 1
    assert "s3cret-token" not in (tmp_path / "arguments").read_text()


def test_a_password_for_one_host_is_not_told_to_another(
    host: GitHost, filled: Path, store: TaxonomyStore, tmp_path: Path
) -> None:
    """The helper answers for the host of the address only; another one that asks gets nothing."""
    host.accounts["bot"] = "s3cret-token"
    elsewhere = check_address("https://localhost:1/a.git", host.rules(hosts=("localhost:1",)))
    with pytest.raises(RemoteProblem) as caught:
        GitProgram(host.rules()).run(
            ["ls-remote", host.url("taxonomy.git")],
            git_dir=store.repository.path,
            address=elsewhere,
            credential=Credential("bot", "s3cret-token"),
        )
    assert caught.value.code == "not-allowed"


def test_what_git_says_goes_to_the_log_without_the_password(
    host: GitHost, filled: Path, store: TaxonomyStore, caplog: pytest.LogCaptureFixture
) -> None:
    host.accounts["bot"] = "right"
    caplog.set_level(logging.DEBUG)
    remote = RemoteBranch("origin", host.url("taxonomy.git"), credential=Credential("bot", "wr0ng-token"))
    with pytest.raises(RemoteProblem):
        fetch(store, remote, GitProgram(host.rules()))
    assert "git fetch with localhost" in caplog.text
    assert "wr0ng-token" not in caplog.text


def test_a_line_break_cannot_be_put_into_what_the_helper_answers() -> None:
    with pytest.raises(RemoteProblem) as caught:
        Credential("bot", "token\nhost=evil.example")
    assert caught.value.code == "bad-credential"
    assert "token" not in str(caught.value).replace("access token", "")
