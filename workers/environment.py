"""Settings that the web and the workers share, read strictly from the environment.

Every variable is named ``SEEDBED_*``. A value that is not understood stops the program at its start
with one sentence; nothing is guessed. A variable ``X`` may be given as ``X_FILE``: the path of a file
whose stripped text is the value (the usual way to hand over a secret).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parent.parent
# sun_path of a unix socket holds 108 bytes, the last of them NUL (unix(7)).
LONGEST_SOCKET_PATH = 107


class EnvironmentProblem(ValueError):
    """A setting is missing or not understood; the message names it and says what is allowed."""


def read_text(name: str, default: str | None = None, *, environ: Mapping[str, str] = os.environ) -> str | None:
    """The value of ``name``, or the stripped text of the file that ``name_FILE`` names, or ``default``."""
    direct, by_file = environ.get(name), environ.get(f"{name}_FILE")
    if direct is not None and by_file is not None:
        raise EnvironmentProblem(f"Set {name} or {name}_FILE, not both.")
    if by_file is not None:
        try:
            return Path(by_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise EnvironmentProblem(f"{name}_FILE names {by_file}, which cannot be read: {error.strerror}.") from error
    return default if direct is None else direct


def read_flag(name: str, default: bool, *, environ: Mapping[str, str] = os.environ) -> bool:
    """``true`` or ``false``, nothing else."""
    text = read_text(name, environ=environ)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise EnvironmentProblem(f"{name} is {text!r}: write true or false.")
    return text == "true"


def read_number(name: str, default: float, *, least: float = 0.0, environ: Mapping[str, str] = os.environ) -> float:
    """A decimal number not below ``least``."""
    text = read_text(name, environ=environ)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise EnvironmentProblem(f"{name} is {text!r}: write a number.") from None
    if not least <= value < float("inf"):
        raise EnvironmentProblem(f"{name} is {text!r}: write a number not below {least:g}.")
    return value


@dataclass(frozen=True)
class SharedSettings:
    """What the web and every worker must agree on.

    ``heartbeat_seconds`` and ``lost_after_seconds`` are the beat of a running attempt and the silence
    after which the reaper gives it up.
    """

    var: Path
    redis_url: str
    artifacts_url: str
    models: Path
    heartbeat_seconds: float
    lost_after_seconds: float


def socket_path(var: Path) -> Path:
    """Where the carried redis-server listens; a short temporary path where ``var`` lies too deep for a socket."""
    path = var / "run" / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(var)).hexdigest()[:16]
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"seedbed-{name}.sock"


def shared_settings(environ: Mapping[str, str] = os.environ) -> SharedSettings:
    """Read the shared settings.

    Raises:
        EnvironmentProblem: a value is not understood.
    """
    var = Path(read_text("SEEDBED_VAR", str(PROJECT / "var"), environ=environ) or "").resolve()
    redis_url = read_text("SEEDBED_REDIS_URL", environ=environ) or f"redis+socket://{socket_path(var)}"
    if urlsplit(redis_url).scheme not in ("redis", "rediss", "redis+socket"):
        raise EnvironmentProblem(
            "SEEDBED_REDIS_URL must start with redis://, rediss:// or redis+socket:// "
            "(leave it unset for the carried server)."
        )
    artifacts_url = read_text("SEEDBED_ARTIFACTS_URL", environ=environ) or f"file://{var / 'artifacts'}"
    if "://" not in artifacts_url:
        raise EnvironmentProblem(
            "SEEDBED_ARTIFACTS_URL must be a URL such as file:///srv/artifacts or s3://bucket/path."
        )
    models = read_text("SEEDBED_MODELS", environ=environ)
    heartbeat = read_number("SEEDBED_HEARTBEAT_SECONDS", 15.0, least=0.1, environ=environ)
    lost_after = read_number("SEEDBED_LOST_AFTER_SECONDS", 90.0, least=0.5, environ=environ)
    if lost_after < 3 * heartbeat:
        raise EnvironmentProblem(
            "SEEDBED_LOST_AFTER_SECONDS must be at least three times SEEDBED_HEARTBEAT_SECONDS, "
            "or a worker that is only slow is taken for dead."
        )
    return SharedSettings(
        var=var,
        redis_url=redis_url,
        artifacts_url=artifacts_url,
        models=Path(models).resolve() if models else var / "models",
        heartbeat_seconds=heartbeat,
        lost_after_seconds=lost_after,
    )
