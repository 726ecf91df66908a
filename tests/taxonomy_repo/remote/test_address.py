"""Whom may be talked to, decided before anybody is."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from taxonomy_repo.remote.address import NetworkRules, RemoteProblem, check_address

PUBLIC = "93.184.216.34"
RULES = NetworkRules(hosts=("code.example", "git.example:8443", ".inner.example", "93.184.216.34", "127.0.0.1"))


def resolving(*addresses: str) -> object:
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return addresses

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


def code(url: str, *addresses: str, rules: NetworkRules = RULES) -> str:
    with pytest.raises(RemoteProblem) as caught:
        check_address(url, rules, resolving(*(addresses or (PUBLIC,))))  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")
    return caught.value.code


def test_a_listed_host_at_a_public_address_is_pinned_to_all_it_has() -> None:
    found = check_address("https://code.example/a/b.git", RULES, resolving(PUBLIC, "2606:4700::1111", PUBLIC))  # type: ignore[arg-type]
    assert (found.host, found.port, found.addresses) == ("code.example", 443, (PUBLIC, "2606:4700::1111"))


def test_a_listed_port_is_its_own_entry_and_a_dot_stands_for_names_below() -> None:
    resolve = resolving(PUBLIC)
    assert check_address("https://git.example:8443/a", RULES, resolve).port == 8443  # type: ignore[arg-type]
    assert check_address("https://deep.inner.example/a", RULES, resolve).host == "deep.inner.example"  # type: ignore[arg-type]
    assert code("https://git.example/a") == "host-not-listed"
    assert code("https://inner.example/a") == "host-not-listed"
    assert code("https://code.example:8443/a") == "host-not-listed"
    assert code("https://notcode.example/a") == "host-not-listed"


@pytest.mark.parametrize(
    "url",
    [
        "http://code.example/a",
        "ssh://code.example/a",
        "git@code.example:a/b",
        "file:///etc/passwd",
        "ext::sh -c id",
        "/srv/taxonomy.git",
        "--upload-pack=id",
        "https://rosa:secret@code.example/a",
        "https://rosa@code.example/a",
        "https://code.example/a?x=1",
        "https://code.example/a#x",
        "https://code.example",
        "https://code.example/../a",
        "https://code.example/a/../../b",
        "https://code.example\n/a",
        "https://code.example/a b",
        "https://code.example:99999/a",
        "https://cöde.example/a",
        "https://code_example/a",
        "https://[::1/a",
        "https:///a",
        "https://code.example/" + "a" * 600,
    ],
)
def test_what_is_no_https_address_of_a_repository_is_refused_without_asking_anybody(url: str) -> None:
    resolve = resolving(PUBLIC)
    with pytest.raises(RemoteProblem) as caught:
        check_address(url, RULES, resolve)  # type: ignore[arg-type]
    assert caught.value.code == "bad-address"
    assert "secret" not in str(caught.value)
    assert resolve.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fc00::1",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
    ],
)
def test_addresses_inside_a_machine_or_a_network_are_refused_even_beside_a_public_one(address: str) -> None:
    assert code("https://code.example/a", address) == "private-address"
    assert code("https://code.example/a", PUBLIC, address) == "private-address"


def test_an_address_as_a_number_is_judged_as_one() -> None:
    assert check_address("https://93.184.216.34/a", RULES).addresses == (PUBLIC,)
    assert code("https://127.0.0.1/a") == "private-address"
    for odd in ("https://0x7f000001/a", "https://2130706433/a", "https://127.1/a"):
        assert code(odd) == "host-not-listed"


def test_a_network_of_ones_own_may_be_allowed_but_what_machines_tell_themselves_never() -> None:
    everything = tuple(ip_network(text) for text in ("0.0.0.0/0", "::/0"))
    rules = NetworkRules(hosts=("code.example",), private_networks=everything)
    assert check_address("https://code.example/a", rules, resolving("10.1.2.3")).addresses == ("10.1.2.3",)  # type: ignore[arg-type]
    for never in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::ffff:169.254.169.254"):
        assert code("https://code.example/a", never, rules=rules) == "private-address"


def test_a_name_that_nobody_knows_is_said() -> None:
    with pytest.raises(RemoteProblem) as caught:
        check_address("https://code.example/a", RULES, lambda host, port: [])
    assert caught.value.code == "unreachable"
