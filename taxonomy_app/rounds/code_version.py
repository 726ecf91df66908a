"""Which code makes a round: part of the plan, so that data made by other code is never taken for the same."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache

from django.conf import settings


@lru_cache(maxsize=1)
def code_version() -> str:
    """``SEEDBED_CODE_VERSION`` if set, else what ``git describe`` says of a checkout, else the package's version.

    Asked once in a process: a running process keeps the code that it has loaded.
    """
    if "SEEDBED_CODE_VERSION" in os.environ or "SEEDBED_CODE_VERSION_FILE" in os.environ:
        return str(settings.CODE_VERSION)
    if (settings.PROJECT / ".git").exists():
        # A sterile environment: neither a surrounding repository nor somebody's configuration may answer instead.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_DIR": str(settings.PROJECT / ".git"),
            "GIT_WORK_TREE": str(settings.PROJECT),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_OPTIONAL_LOCKS": "0",
        }
        try:
            told = subprocess.run(
                ["git", "describe", "--always", "--dirty", "--abbrev=12"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            told = ""
        if told:
            return f"{settings.CODE_VERSION}+{told}"
    return str(settings.CODE_VERSION)
