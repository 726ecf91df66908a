"""A code host of one's own for tests: git's own server program behind https on 127.0.0.1, with a made certificate.

It knows accounts, answers as it is told to (redirects, slow answers, refused pushes), and remembers what it was asked.
"""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from taxonomy_repo.remote.address import NetworkRules

HOST = "localhost"


def make_certificate(folder: Path, name: str = HOST) -> tuple[Path, Path]:
    """A certificate for ``name`` that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = certificate_in(folder, name)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


def certificate_in(folder: Path, name: str) -> tuple[Path, Path]:
    """Where :func:`make_certificate` put a certificate and its key."""
    return folder / f"{name}.crt", folder / f"{name}.key"


@dataclass
class GitHost:
    """A running host. ``url("name")`` is the address of the bare repository ``folder/name``."""

    folder: Path
    certificate: Path
    port: int
    accounts: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    redirect_to: str = ""
    slow_seconds: float = 0.0
    hurry: threading.Event = field(default_factory=threading.Event)  # set: it waits no longer
    before_push: Callable[[], None] | None = None

    def url(self, name: str, host: str = HOST) -> str:
        return f"https://{host}:{self.port}/{name}"

    def rules(self, **changes: Any) -> NetworkRules:
        """Rules under which this host may be talked to."""
        allowed = {
            "hosts": (f"{HOST}:{self.port}",),
            "private_networks": (ip_network("127.0.0.0/8"), ip_network("::1/128")),
            "certificates": self.certificate,
            "seconds": 30.0,
        }
        return NetworkRules(**(allowed | changes))

    def repository(self, name: str) -> Path:
        """A new bare repository with the branch ``main``, which takes pushes."""
        path = self.folder / name
        git("init", "--quiet", "--bare", "--initial-branch=main", str(path), cwd=self.folder)
        git("config", "http.receivepack", "true", cwd=path)
        git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=path)
        return path


def git(*arguments: str, cwd: Path, **environ: str) -> str:
    """Git as a person at another place has it: its own name, no settings of this machine."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Mara Quist",
        "GIT_AUTHOR_EMAIL": "mara@example.org",
        "GIT_COMMITTER_NAME": "Mara Quist",
        "GIT_COMMITTER_EMAIL": "mara@example.org",
        **environ,
    }
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def commit_files(work: Path, files: dict[str, bytes | None], message: str = "Change files") -> str:
    """Write files into a work tree (None: take away), commit all of it; the commit."""
    for name, data in files.items():
        path = work / name
        if data is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    git("add", "--all", cwd=work)
    git("commit", "--quiet", "--message", message, cwd=work)
    return git("rev-parse", "HEAD", cwd=work)


@contextmanager
def git_host(folder: Path, name: str = HOST, sharing: Path | None = None) -> Iterator[GitHost]:
    """A host that serves bare repositories in ``folder`` while the block lasts; its certificate is for ``name``.

    ``sharing``: the folder of a host whose certificate it has as well, so that who trusts the one trusts the other.
    """
    backend = Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip())
    if not (backend / "git-http-backend").exists() or shutil.which("git") is None:
        pytest.skip("git-http-backend is not on this machine: tests against a code host are skipped.")
    certificate, secret = make_certificate(folder, name) if sharing is None else certificate_in(sharing, name)
    handler = type("Handler", (_Handler,), {"program": backend / "git-http-backend"})
    server = _Server(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    host = GitHost(folder, certificate, server.server_address[1])
    handler.host = host  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    host: GitHost
    program: Path
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.body()
        host = self.host
        host.requests.append((self.command, self.path))
        if host.redirect_to:
            self.plain(302, {"Location": f"{host.redirect_to}{self.path}"})
        elif not self.known():
            self.plain(401, {"WWW-Authenticate": 'Basic realm="host"'})
        else:
            host.hurry.wait(host.slow_seconds)
            path, _, query = self.path.partition("?")
            if path.endswith("/git-receive-pack") and host.before_push is not None:
                action, host.before_push = host.before_push, None
                action()
            self.program_answer(path, query, body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def known(self) -> bool:
        if not self.host.accounts:
            return True
        kind, _, told = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return False
        name, _, password = base64.b64decode(told).decode().partition(":")
        return self.host.accounts.get(name) == password

    def plain(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def program_answer(self, path: str, query: str, body: bytes) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.host.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_USER": "mara",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run([self.program], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
