"""The web's own settings: what is understood, and the one sentence for what is not."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taxonomy_app import environment
from workers.environment import EnvironmentProblem


def test_a_database_address_is_taken_apart(tmp_path: Path) -> None:
    url = "postgresql://seed:a%40b@db.internal:5433/beds?sslmode=verify-full"
    found = environment.database(tmp_path, {"SEEDBED_DATABASE_URL": url})
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == ("seed", "a@b", "db.internal", "5433")
    assert found["OPTIONS"] == {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://localhost/beds", "must look like"),
        ("postgresql://localhost", "must look like"),
        ("postgresql://localhost:port/beds", "must look like"),
        ("postgresql://localhost/beds?sslmod=require", "'sslmod'"),
    ],
)
def test_an_address_that_is_not_understood_is_one_sentence(tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises(EnvironmentProblem, match=sentence):
        environment.database(tmp_path, {"SEEDBED_DATABASE_URL": url})


def test_without_an_address_it_is_sqlite_with_writers_that_wait(tmp_path: Path) -> None:
    found = environment.database(tmp_path, {})
    assert found["NAME"] == tmp_path / "seedbed.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_processes_that_start_at_once_have_one_key_that_nobody_else_reads(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: environment.secret_key(tmp_path / "var", {}), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="at least 32"):
        environment.secret_key(tmp_path, {"SEEDBED_SECRET_KEY": "short"})


@pytest.mark.parametrize("text", ["*", " , ", "example.org,*"])
def test_any_host_at_all_is_no_setting(text: str) -> None:
    with pytest.raises(EnvironmentProblem, match="not \\*"):
        environment.hosts({"SEEDBED_HOSTS": text})


def test_hosts_are_taken_without_the_spaces_around_them() -> None:
    assert environment.hosts({"SEEDBED_HOSTS": "seedbed.example, .example.org"}) == ["seedbed.example", ".example.org"]


def test_hosts_that_may_be_talked_to_are_public_code_hosts_unless_said_otherwise(tmp_path: Path) -> None:
    rules = environment.network_rules({})
    assert rules.hosts == ("github.com", "gitlab.com", "codeberg.org")
    assert (rules.private_networks, rules.certificates) == ((), None)
    authority = tmp_path / "authority.pem"
    authority.write_text("x")
    rules = environment.network_rules(
        {
            "SEEDBED_REMOTE_HOSTS": "Git.Example.org:8443, .inner.example,[::1]:443",
            "SEEDBED_REMOTE_PRIVATE_NETWORKS": "10.20.0.0/16, fd00::/8",
            "SEEDBED_REMOTE_CERTIFICATES": str(authority),
            "SEEDBED_REMOTE_SECONDS": "30",
            "SEEDBED_REMOTE_MEGABYTES": "2",
        }
    )
    assert rules.hosts == ("git.example.org:8443", ".inner.example", "[::1]:443")
    assert [str(network) for network in rules.private_networks] == ["10.20.0.0/16", "fd00::/8"]
    assert (rules.certificates, rules.seconds, rules.most_bytes) == (authority, 30.0, 2_000_000)
    assert environment.network_rules({"SEEDBED_REMOTE_HOSTS": ""}).hosts == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEEDBED_REMOTE_HOSTS", "https://github.com"),
        ("SEEDBED_REMOTE_HOSTS", "*"),
        ("SEEDBED_REMOTE_HOSTS", "github.com/name"),
        ("SEEDBED_REMOTE_PRIVATE_NETWORKS", "home"),
        ("SEEDBED_REMOTE_PRIVATE_NETWORKS", "10.20.0.1/16"),
        ("SEEDBED_REMOTE_CERTIFICATES", "/nowhere/authority.pem"),
        ("SEEDBED_REMOTE_SECONDS", "soon"),
        ("SEEDBED_REMOTE_MEGABYTES", "0"),
    ],
)
def test_rules_for_other_hosts_that_are_not_understood_are_one_sentence(name: str, value: str) -> None:
    with pytest.raises(EnvironmentProblem, match=name):
        environment.network_rules({name: value})


SITE = {"SEEDBED_SITE_URL": "https://beds.example", "SEEDBED_EMAIL_FROM": "Seedbed <seedbed@beds.example>"}


def test_a_mail_server_is_taken_apart() -> None:
    found = environment.email({"SEEDBED_EMAIL_URL": "smtp+starttls://seed:a%40b@mail.beds.example", **SITE})
    assert found is not None
    assert (found.host, found.port, found.user, found.password) == ("mail.beds.example", 587, "seed", "a@b")
    assert (found.starttls, found.tls, found.sender) == (True, False, "Seedbed <seedbed@beds.example>")
    assert "a@b" not in found.shown
    encrypted = environment.email({"SEEDBED_EMAIL_URL": "smtps://mail.beds.example", **SITE})
    assert encrypted is not None
    assert (encrypted.port, encrypted.starttls, encrypted.tls) == (465, False, True)
    assert environment.email({}) is None
    assert environment.site_url(SITE) == "https://beds.example"
    assert environment.site_url({}) == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SEEDBED_EMAIL_URL": "mail.beds.example"}, "must look like"),
        ({"SEEDBED_EMAIL_URL": "imap://mail.beds.example"}, "must look like"),
        ({"SEEDBED_EMAIL_URL": "smtp://mail.beds.example:99999"}, "must look like"),
        ({"SEEDBED_EMAIL_URL": "smtp://mail.beds.example?tls=no"}, "must look like"),
        ({"SEEDBED_EMAIL_URL": "smtp://seed@mail.beds.example"}, "name without a password"),
        ({"SEEDBED_EMAIL_FROM": "Seedbed"}, "SEEDBED_EMAIL_FROM"),
        ({"SEEDBED_SITE_URL": None}, "SEEDBED_SITE_URL"),
    ],
)
def test_a_mail_server_that_is_not_understood_is_one_sentence(changes: dict[str, str | None], sentence: str) -> None:
    given = {"SEEDBED_EMAIL_URL": "smtp://mail.beds.example", **SITE, **changes}
    with pytest.raises(EnvironmentProblem, match=sentence):
        environment.email({name: value for name, value in given.items() if value is not None})


@pytest.mark.parametrize(
    "url", ["beds.example", "ftp://beds.example", "https://beds.example/seeds", "https://a@b.example"]
)
def test_an_address_of_the_site_has_no_path(url: str) -> None:
    with pytest.raises(EnvironmentProblem, match="SEEDBED_SITE_URL"):
        environment.site_url({"SEEDBED_SITE_URL": url})
