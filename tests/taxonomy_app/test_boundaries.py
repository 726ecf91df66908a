"""The rooms import one way, and the web process carries no models' libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from workers.environment import PROJECT

HEAVY = ("torch", "transformers", "vllm", "datasets", "lm_eval", "accelerate")
EVERYTHING_OF_THE_WEB = """
import json, pkgutil, sys
import django
django.setup()
from django.core.management import get_commands
from django.template.loader import get_template
from django.urls import get_resolver
import taxonomy_app
from taxonomy_app.celery import app
app.loader.import_default_modules()
resolver = get_resolver()
def walk(entries):
    for entry in entries:
        walk(getattr(entry, "url_patterns", []))
walk(resolver.url_patterns)
for module in pkgutil.walk_packages(taxonomy_app.__path__, "taxonomy_app."):
    if ".management." not in module.name and ".migrations." not in module.name:
        __import__(module.name)
heavy = [name for name in sys.argv[1:] if name in sys.modules]
print(json.dumps({"heavy": heavy, "routes": len(resolver.url_patterns)}))
"""


def test_the_web_process_loads_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING_OF_THE_WEB, *HEAVY],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "taxonomy_app.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["routes"] >= 6
    assert told["heavy"] == []


@pytest.mark.timeout(300)
def test_the_rooms_import_one_way() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
