"""Git's own program, for what crosses a network, in an environment with nothing in it but what is written here.

No configuration of the machine or its users, no hooks, no prompts, no proxies, no redirects, no submodules, https only,
and only to the addresses that were checked. A password goes to the program in its environment and from there to the
one host it is for; it is never on a command line, in an address, in a file or in a message. The process and all that it
started are ended when the time is over; what it may write is limited.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from git import Git

from taxonomy_repo.remote.address import HTTPS_PORT, Address, NetworkRules, RemoteProblem

__all__ = ["Credential", "GitProgram"]

_LOG = logging.getLogger(__name__)
_MOST_TOLD = 20_000

# Answers git's question for a name and a password from this process's environment. A fixed text: nothing is put in.
_HELPER = (
    "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' "
    '"$SEEDBED_GIT_USERNAME" "$SEEDBED_GIT_PASSWORD"; }; f'
)
# Old histories have these and are none the worse for it.
_HARMLESS = ("zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone", "missingNameBeforeEmail", "missingEmail")
_SETTINGS: tuple[tuple[str, str], ...] = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.fsync", "all"),
    ("credential.helper", ""),
    ("fetch.fsckObjects", "true"),
    *((f"fetch.fsck.{name}", "ignore") for name in _HARMLESS),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("gc.auto", "0"),
    ("http.followRedirects", "false"),
    ("http.proxy", ""),
    ("http.sslVerify", "true"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "30"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("protocol.https.allow", "always"),
    ("protocol.version", "2"),
    ("push.recurseSubmodules", "no"),
    ("submodule.recurse", "false"),
    ("transfer.bundleURI", "false"),
)

# What the program says when it fails (in English, see LC_ALL), the code it means, the sentence. The first one counts.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"could not read (Username|Password)|Authentication failed|returned error: 40[13]|terminal prompts disabled",
        "not-allowed",
        "{host} does not let us in. Check the address, and the setting that holds the access token.",
    ),
    (
        r"unable to update url base from redirection|returned error: 30\d|redirect",
        "moved",
        "{host} answers that the repository has moved. Give its new address.",
    ),
    (
        r"SSL certificate|certificate verif|unable to get local issuer|server verification failed|SSL_ERROR|GnuTLS",
        "certificate",
        "{host} does not prove who it is: its certificate is not trusted.",
    ),
    (
        r"Could not resolve host|Failed to connect|Connection refused|Connection reset|Couldn't connect|timed out"
        r"|Operation too slow|No route to host|Empty reply|returned error: 5\d\d",
        "unreachable",
        "{host} does not answer. Try again later.",
    ),
    (
        r"couldn't find remote ref|Remote branch .* not found",
        "no-branch",
        "The repository has no such branch. Check its name.",
    ),
    (
        r"not our ref|unadvertised object|no such remote ref|Server does not allow request",
        "no-commit",
        "The repository does not give out that version. Check the full name of the commit.",
    ),
    (
        r"[Rr]epository .*not found|returned error: 404|does not appear to be a git repo|not valid: is this a git",
        "no-repository",
        "There is no repository at that address of {host}, or it is not open to us.",
    ),
    (
        r"File too large|signal 25|SIGXFSZ|exceeds maximum allowed size",
        "too-large",
        "The repository is larger than what may be received.",
    ),
    (
        r"fsck error|error in object|bad object|index-pack failed|invalid index-pack",
        "damaged",
        "What {host} sent is damaged and was not taken in.",
    ),
)


@dataclass(frozen=True)
class Credential:
    """A name and a password or access token for one host. Never shown: neither by ``repr`` nor in a message."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if any(ord(character) < 32 for character in self.username + self.password):
            raise RemoteProblem("bad-credential", "The name or access token for the host has a line break in it.")


class GitProgram:
    """Runs git for an installation with these ``rules``."""

    def __init__(self, rules: NetworkRules) -> None:
        self.rules = rules

    def run(
        self,
        arguments: Sequence[str],
        *,
        git_dir: Path,
        address: Address,
        credential: Credential | None = None,
        tolerate: Sequence[int] = (0,),
    ) -> tuple[int, str]:
        """Run ``git <arguments>`` on the bare repository ``git_dir``; exit status and standard output.

        Args:
            arguments: a verb and its arguments, none of them from a person but after ``--end-of-options`` or checked.
            address: the only host that the program can reach.
            tolerate: statuses that are answers and no failures.

        Raises:
            RemoteProblem: it failed, took too long, or wrote too much.
        """
        environment = self._environment(address, credential)
        # A folder of its own: what the program keeps beside the repository goes with it.
        with tempfile.TemporaryDirectory(prefix="seedbed-git-") as home:
            environment["HOME"] = environment["XDG_CONFIG_HOME"] = environment["TMPDIR"] = home
            started: Git.AutoInterrupt = Git(home).execute(
                [*_without_inherited(environment), "git", f"--git-dir={git_dir}", *arguments],
                as_process=True,
                env=environment,
                start_new_session=True,
                preexec_fn=self._limit,  # two system calls, no Python state
            )
            process = started.proc
            if process is None:
                raise RemoteProblem("failed", "Git's program did not start. Is git installed?")
            try:
                out, told = process.communicate(timeout=self.rules.seconds)
            except subprocess.TimeoutExpired:
                raise RemoteProblem(
                    "too-slow", f"{address.host} took longer than {self.rules.seconds:g} seconds. Try again later."
                ) from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        if process.returncode not in tolerate:
            raise _problem(arguments[0], process.returncode, _decoded(told), address, credential)
        return process.returncode, _decoded(out)

    def _limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.rules.most_bytes, self.rules.most_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def _environment(self, address: Address, credential: Credential | None) -> dict[str, str]:
        named = f"[{address.host}]" if ":" in address.host else address.host
        where = named if address.port == HTTPS_PORT else f"{named}:{address.port}"
        settings = list(_SETTINGS)
        if address.addresses != (address.host,):  # a number is no name that could be looked up again
            addresses = ",".join(f"[{one}]" if ":" in one else one for one in address.addresses)
            settings.append(("http.curloptResolve", f"{address.host}:{address.port}:{addresses}"))
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_ASKPASS": "/bin/false",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "SSH_ASKPASS": "/bin/false",
        }
        if self.rules.certificates is not None:
            environment["GIT_SSL_CAINFO"] = str(self.rules.certificates)
        if credential is not None:
            settings.append((f"credential.https://{where}.helper", _HELPER))
            environment["SEEDBED_GIT_USERNAME"] = credential.username
            environment["SEEDBED_GIT_PASSWORD"] = credential.password
        return environment | configuration(settings)


def _without_inherited(environment: Mapping[str, str]) -> list[str]:
    """The beginning of a command that takes away what this process's environment would add to ``environment``.

    GitPython gives a program all that this process has, and more on top; names only stand in the command, no values.
    """
    inherited = sorted((os.environ.keys() | {"LANGUAGE"}) - environment.keys())
    return ["env", *(f"--unset={name}" for name in inherited)]


def configuration(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Settings of git as its environment carries them (git-config, GIT_CONFIG_COUNT)."""
    found: dict[str, str] = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def _decoded(data: bytes) -> str:
    return data[-_MOST_TOLD:].decode("utf-8", "replace")


def _problem(verb: str, status: int, told: str, address: Address, credential: Credential | None) -> RemoteProblem:
    """What went wrong, in a sentence. What git said goes to the log, in which no password can be."""
    if credential is not None and credential.password:
        told = told.replace(credential.password, "***")
    _LOG.warning("git %s with %s ended with %s: %s", verb, address.host, status, " ".join(told.split())[:2000])
    if -status == signal.SIGXFSZ:
        told = f"{told}\nFile too large"
    for pattern, code, sentence in _MEANINGS:
        if re.search(pattern, told):
            return RemoteProblem(code, sentence.format(host=address.host))
    return RemoteProblem("failed", f"Talking to {address.host} failed. The log of the worker says why.")
