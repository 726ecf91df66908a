"""The web's own settings from the environment; what it shares with the workers is in ``workers.environment``."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formataddr, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from taxonomy_repo.remote.address import NetworkRules
from workers.environment import EnvironmentProblem, read_number, read_text

# libpq's connection options that a database's address may carry behind a ?.
_POSTGRESQL_OPTIONS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs"}
)


def database(var: Path, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Django's database entry from ``SEEDBED_DATABASE_URL``: unset for SQLite in ``var``, or ``postgresql://…``.

    SQLite runs in WAL with IMMEDIATE transactions, so that a writer waits its turn instead of failing half way.
    """
    url = read_text("SEEDBED_DATABASE_URL", environ=environ)
    if url is None:
        return {
            "ENGINE": "taxonomy_app.database.sqlite3",
            "NAME": var / "seedbed.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    parts = urlsplit(url)
    try:
        port = str(parts.port or "")
    except ValueError:
        port = None
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/") or port is None:
        raise EnvironmentProblem("SEEDBED_DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - _POSTGRESQL_OPTIONS)
    if unknown:
        known = ", ".join(sorted(_POSTGRESQL_OPTIONS))
        raise EnvironmentProblem(f"SEEDBED_DATABASE_URL has {unknown[0]!r} after its ?. What may stand there: {known}.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": port,
        "OPTIONS": options,
        # Under ASGI requests change threads and would leave open connections behind in them; the web process has a
        # pool instead (taxonomy_app.database), and asks a connection whether it is alive before it hands it out.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }


def database_pool(environ: Mapping[str, str] = os.environ) -> int:
    """How many connections a web process keeps open: ``SEEDBED_DATABASE_POOL``, 0 for none.

    Raises:
        EnvironmentProblem: it is no whole number.
    """
    most = read_number("SEEDBED_DATABASE_POOL", 8, least=0, environ=environ)
    if most != int(most):
        raise EnvironmentProblem(f"SEEDBED_DATABASE_POOL is {most:g}: write a whole number.")
    return int(most)


@dataclass(frozen=True)
class EmbeddingsSettings:
    """An OpenAI-compatible endpoint that makes vectors of texts. ``url`` ends without a slash; ``key`` may be empty."""

    url: str
    model: str
    key: str


def embeddings(environ: Mapping[str, str] = os.environ) -> EmbeddingsSettings | None:
    """The endpoint of ``SEEDBED_EMBEDDINGS_URL`` and ``SEEDBED_EMBEDDINGS_MODEL``, or None where neither is set."""
    url = read_text("SEEDBED_EMBEDDINGS_URL", environ=environ)
    model = read_text("SEEDBED_EMBEDDINGS_MODEL", environ=environ)
    if url is None and model is None:
        return None
    if url is None or model is None or not model.strip():
        raise EnvironmentProblem(
            "Set SEEDBED_EMBEDDINGS_URL and SEEDBED_EMBEDDINGS_MODEL together, or neither of them."
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise EnvironmentProblem("SEEDBED_EMBEDDINGS_URL must look like https://host:8080/v1 (without /embeddings).")
    key = read_text("SEEDBED_EMBEDDINGS_KEY", "", environ=environ) or ""
    return EmbeddingsSettings(url.rstrip("/"), model.strip(), key)


@dataclass(frozen=True)
class EmailSettings:
    """The server through which e-mail leaves, and from whom. ``user`` and ``password`` may be empty.

    ``starttls`` begins plain and turns to TLS before anything is said; ``tls`` begins so.
    """

    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool
    sender: str

    @property
    def shown(self) -> str:
        """For people: without name and password."""
        return f"{self.host}:{self.port}"


# Scheme of SEEDBED_EMAIL_URL → port where none is given (RFC 6409, RFC 8314).
_MAIL_SCHEMES = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def email(environ: Mapping[str, str] = os.environ) -> EmailSettings | None:
    """The mail server of ``SEEDBED_EMAIL_URL``, or None where e-mail is off."""
    url = read_text("SEEDBED_EMAIL_URL", environ=environ)
    sender = read_text("SEEDBED_EMAIL_FROM", environ=environ)
    if url is None:
        return None
    parts = urlsplit(url)
    try:
        port = parts.port or _MAIL_SCHEMES.get(parts.scheme, 0)
    except ValueError:
        port = 0
    extra = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _MAIL_SCHEMES or not parts.hostname or not port or extra:
        raise EnvironmentProblem(
            "SEEDBED_EMAIL_URL must look like smtp+starttls://name:password@mail.example.org:587 "
            "(or smtps://… for TLS from the start, smtp://… without)."
        )
    if bool(parts.username) != bool(parts.password):
        raise EnvironmentProblem("SEEDBED_EMAIL_URL has a name without a password, or the other way round.")
    name, address = parseaddr(sender or "")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", address) or "\n" in name:
        raise EnvironmentProblem(
            "SEEDBED_EMAIL_FROM must be set with SEEDBED_EMAIL_URL and look like Seedbed <seedbed@example.org>."
        )
    if read_text("SEEDBED_SITE_URL", environ=environ) is None:
        raise EnvironmentProblem("Set SEEDBED_SITE_URL with SEEDBED_EMAIL_URL: links in e-mails begin with it.")
    return EmailSettings(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=parts.scheme == "smtp+starttls",
        tls=parts.scheme == "smtps",
        sender=formataddr((name, address)),
    )


def site_url(environ: Mapping[str, str] = os.environ) -> str:
    """Where people find this site, ``SEEDBED_SITE_URL``: scheme and host without a path. Empty where it is unset."""
    url = read_text("SEEDBED_SITE_URL", environ=environ)
    if url is None:
        return ""
    parts = urlsplit(url)
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not parts.hostname or extra:
        raise EnvironmentProblem("SEEDBED_SITE_URL must look like https://seedbed.example.org, without a path.")
    return f"{parts.scheme}://{parts.netloc}"


def secret_key(var: Path, environ: Mapping[str, str] = os.environ) -> str:
    """``SEEDBED_SECRET_KEY``, or one made at first use and kept in ``var`` readable by its owner alone."""
    given = read_text("SEEDBED_SECRET_KEY", environ=environ)
    if given is not None:
        if len(given) < 32:
            raise EnvironmentProblem("SEEDBED_SECRET_KEY must have at least 32 characters.")
        return given
    path = var / "secret_key"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii")
    var.mkdir(parents=True, exist_ok=True)
    # Several processes start at once: the name appears with the whole key behind it, and the first one's counts.
    descriptor, made = tempfile.mkstemp(dir=var, prefix="secret_key.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
    finally:
        os.unlink(made)
    return path.read_text(encoding="ascii")


def hosts(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names under which the site may be asked for: ``SEEDBED_HOSTS``, separated by commas."""
    text = read_text("SEEDBED_HOSTS", "localhost,127.0.0.1,[::1]", environ=environ) or ""
    found = [host.strip() for host in text.split(",") if host.strip()]
    if not found or "*" in found:
        raise EnvironmentProblem("SEEDBED_HOSTS must list host names, separated by commas (not *).")
    return found


def network_rules(environ: Mapping[str, str] = os.environ) -> NetworkRules:
    """Whom the worker may talk to for remotes and documents: ``SEEDBED_REMOTE_*`` (docs/taxonomy-exchange.md)."""
    text = read_text("SEEDBED_REMOTE_HOSTS", "github.com,gitlab.com,codeberg.org", environ=environ) or ""
    listed = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    for host in listed:
        if not re.fullmatch(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?|\[[0-9a-f:]+\](:\d{1,5})?", host):
            raise EnvironmentProblem(
                f"SEEDBED_REMOTE_HOSTS has {host!r}: list host names such as git.example.org:8443, with commas between."
            )
    networks = []
    for network in (read_text("SEEDBED_REMOTE_PRIVATE_NETWORKS", "", environ=environ) or "").split(","):
        if network.strip():
            try:
                networks.append(ipaddress.ip_network(network.strip()))
            except ValueError:
                raise EnvironmentProblem(
                    f"SEEDBED_REMOTE_PRIVATE_NETWORKS has {network.strip()!r}: list networks such as 10.20.0.0/16."
                ) from None
    certificates = read_text("SEEDBED_REMOTE_CERTIFICATES", environ=environ)
    if certificates and not Path(certificates).is_file():
        raise EnvironmentProblem(f"SEEDBED_REMOTE_CERTIFICATES names {certificates}, which is no file.")
    return NetworkRules(
        hosts=listed,
        private_networks=tuple(networks),
        certificates=Path(certificates).resolve() if certificates else None,
        seconds=read_number("SEEDBED_REMOTE_SECONDS", 120.0, least=1.0, environ=environ),
        most_bytes=int(read_number("SEEDBED_REMOTE_MEGABYTES", 500.0, least=1.0, environ=environ) * 1_000_000),
    )
