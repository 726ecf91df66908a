"""Whether a message is from the code host: its signature, checked in constant time against the remote's secret.

Known are the signatures of GitHub, Gitea and Forgejo (HMAC-SHA256 of the body) and the token of GitLab. A message has
no session and no CSRF token: the secret is what it is known by.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from taxonomy_app.exchange.models import Remote
from workers.environment import EnvironmentProblem, read_text


def secret_of(remote: Remote | None) -> str | None:
    """The secret that a remote's messages are signed with, or None where it has none (then none is believed)."""
    if remote is None or not remote.secret_setting:
        return None
    try:
        return read_text(remote.secret_setting) or None
    except EnvironmentProblem:
        return None


def is_signed(body: bytes, headers: Mapping[str, str], secret: str | None) -> bool:
    """Whether the message carries a signature that only somebody with the secret can make.

    Takes as long without a secret as with one, so that nobody learns which remotes there are.
    """
    key = (secret or "-").encode()
    expected = hmac.new(key, body, hashlib.sha256).hexdigest()
    given = [
        headers.get("X-Hub-Signature-256", "").removeprefix("sha256="),
        headers.get("X-Gitea-Signature", ""),
        headers.get("X-Forgejo-Signature", ""),
    ]
    matches = [hmac.compare_digest(expected.encode(), one.encode()) for one in given]
    matches.append(hmac.compare_digest(key, headers.get("X-Gitlab-Token", "").encode()))
    return secret is not None and any(matches)


def concerns(body: bytes, branch: str) -> bool:
    """Whether a push that the message tells of may be of ``branch``. What cannot be understood may be."""
    try:
        told = json.loads(body)
        reference = told.get("ref") if isinstance(told, dict) else None
    except ValueError:
        return True
    return not isinstance(reference, str) or reference == f"refs/heads/{branch}"
