"""Whom this program may talk to: https addresses of listed hosts, at public addresses, checked before connecting.

A name is resolved once, every address it has is checked, and the connection goes to one of those and no other (see
``program``), so that a name that answers differently a second later leads nowhere. Proxies and redirects, which would
choose an address of their own, are never used.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

HTTPS_PORT = 443
LONGEST_URL = 500
# What is at an address inside a machine or a network of machines is nobody's business. Some of these count as global.
_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "fd00:ec2::/32")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_PATH = re.compile(r"(/[A-Za-z0-9._~%+-]+)+/?\Z")


class RemoteProblem(RuntimeError):
    """Something at the other end, or on the way to it. ``code`` is stable; the message is one sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class NetworkRules:
    """What an installation allows.

    Attributes:
        hosts: names that may be talked to, each perhaps with a port (``git.example.org:8443``). ``.example.org`` stands
            for every name below it.
        private_networks: networks that are allowed though they are not public, for a code host in one's own house.
        certificates: a file of certificate authorities to trust instead of the machine's.
        seconds: how long one transfer may take.
        most_bytes: how large one received pack may be.
    """

    hosts: tuple[str, ...] = ()
    private_networks: tuple[IPNetwork, ...] = ()
    certificates: Path | None = None
    seconds: float = 300.0
    most_bytes: int = 500_000_000


@dataclass(frozen=True)
class Address:
    """An address that may be connected to: ``host`` is to be reached at ``addresses`` only."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]


def check_url(url: str, rules: NetworkRules) -> tuple[str, int]:
    """Host and port of an address that may be asked for, without asking anybody. Raises RemoteProblem."""
    if len(url) > LONGEST_URL or not url.isascii() or any(ord(character) <= 32 for character in url):
        raise RemoteProblem("bad-address", "The address has characters that no address has, or is far too long.")
    try:
        parts = urlsplit(url)
        port = parts.port or HTTPS_PORT
    except ValueError:
        raise RemoteProblem("bad-address", f"{url[:100]} is not an address. Write https://host/path.") from None
    if "@" in parts.netloc:
        # Not repeated in the message: it may hold a password.
        raise RemoteProblem(
            "bad-address", "Leave names and passwords out of the address; name the setting that holds them instead."
        )
    if parts.scheme != "https":
        raise RemoteProblem("bad-address", f"{url[:100]} does not begin with https://, which is all that is allowed.")
    host = (parts.hostname or "").lower()
    if parts.query or parts.fragment or not host or not _PATH.match(parts.path) or "/.." in parts.path:
        raise RemoteProblem("bad-address", f"{url[:100]} is not the address of a repository. Write https://host/path.")
    literal = _literal(host)
    if literal is None and not all(_LABEL.match(label) for label in host.split(".")):
        raise RemoteProblem("bad-address", f"{host[:100]} is not the name of a host.")
    if not any(_listed(host, port, entry) for entry in rules.hosts):
        where = host if port == HTTPS_PORT else f"{host}:{port}"
        raise RemoteProblem(
            "host-not-listed", f"{where} is not among the hosts that may be talked to. The operator can list it."
        )
    return host, port


def check_address(url: str, rules: NetworkRules, resolve: Resolve | None = None) -> Address:
    """The address with what its name stands for, all of it checked.

    Raises:
        RemoteProblem: the address is not allowed by ``rules``, its name is unknown, or leads into a private network.
    """
    host, port = check_url(url, rules)
    literal = _literal(host)
    found = [str(literal)] if literal is not None else list((resolve or look_up)(host, port))
    if not found:
        raise RemoteProblem("unreachable", f"Nobody knows a host called {host}. Check the address.")
    for text in found:
        if not _allowed(ipaddress.ip_address(text), rules):
            raise RemoteProblem(
                "private-address", f"{host} leads into a private network, which is not talked to. Use a public host."
            )
    return Address(url, host, port, tuple(dict.fromkeys(found)))


def look_up(host: str, port: int) -> list[str]:
    """Every address that ``host`` has."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _listed(host: str, port: int, entry: str) -> bool:
    name, listed_port = _entry(entry)
    return port == listed_port and (host == name or (name.startswith(".") and host.endswith(name)))


def _entry(entry: str) -> tuple[str, int]:
    """Name and port of an entry of the list; ``[::1]:8443`` for an IPv6 address."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.startswith("[")):
        return name.strip("[]").lower(), int(port)
    return entry.strip("[]").lower(), HTTPS_PORT


def _allowed(address: IPAddress, rules: NetworkRules) -> bool:
    """Whether an address may be connected to. One that carries another inside (IPv6 to IPv4) is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is None and address.teredo is not None:
            inside = address.teredo[1]
        if inside is None and address in _NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return _allowed(inside, rules)
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    if any(address in network for network in rules.private_networks if network.version == address.version):
        return True
    return address.is_global
