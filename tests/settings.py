"""Django's settings for the tests: the real ones, in a folder of their own that goes when the tests end.

``SEEDBED_TEST_DATABASE_URL`` and ``SEEDBED_TEST_REDIS_URL`` put the suite on PostgreSQL and on a Redis of one's own;
other ``SEEDBED_*`` variables of the shell are left out, so that the suite means the same everywhere.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent
_MODELS = os.environ.get("SEEDBED_MODELS") or str(Path(os.environ.get("SEEDBED_VAR", _PROJECT / "var")) / "models")
_KEPT = ("SEEDBED_TEST_", "SEEDBED_TORCH_INDEX", "SEEDBED_SHARED_DATA")

for _name in [name for name in os.environ if name.startswith("SEEDBED_") and not name.startswith(_KEPT)]:
    del os.environ[_name]

# Short, because a Redis socket lies in it (workers.environment.socket_path).
_VAR = Path(tempfile.mkdtemp(prefix="seedbed-tests-", dir="/tmp"))
atexit.register(shutil.rmtree, _VAR, ignore_errors=True)
os.environ["SEEDBED_VAR"] = str(_VAR)
# Models are fetched once and only read.
os.environ["SEEDBED_MODELS"] = _MODELS
if _database := os.environ.get("SEEDBED_TEST_DATABASE_URL"):
    os.environ["SEEDBED_DATABASE_URL"] = _database
if _redis := os.environ.get("SEEDBED_TEST_REDIS_URL"):
    # Suites that run at once (pytest -n) must not flush each other's keys: each takes a database of its own.
    _suite = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "gw0")) or 0)
    if (_numbered := re.fullmatch(r"(.*/)(\d+)", _redis)) and _suite:
        _redis = f"{_numbered[1]}{(int(_numbered[2]) - _suite) % 16}"
    os.environ["SEEDBED_REDIS_URL"] = _redis

from taxonomy_app.settings import *  # noqa: E402, F403  # only now, with the environment above
from taxonomy_app.settings import DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: the live server's threads have connections of their own, as they have in life.
    DATABASES["default"]["TEST"] = {"NAME": str(_VAR / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Static files come from where the build put them, under their own names.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# A test that sends work without asking for Redis fails at once instead of trying for a minute.
CELERY_TASK_PUBLISH_RETRY = False
LOGGING = {"version": 1, "disable_existing_loggers": False}
