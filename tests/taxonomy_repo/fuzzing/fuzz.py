"""Look for input that reading or checking cannot take. Run by hand, for as long as one likes::

    pip install atheris instructlab-schema==0.4.2
    python -m tests.taxonomy_repo.fuzzing.fuzz FOLDER -max_total_time=1800 -max_len=4096 -timeout=20

Everything after FOLDER (where it keeps what it found, begun with the examples of the checks) goes to libFuzzer. With
``SEEDBED_FUZZ_VERDICT=true`` each input's verdict is compared with that of the public parser as well; that is slower.
``test_corpus.py`` replays what was kept, without atheris.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["taxonomy_repo"]):
    from taxonomy_repo import __main__ as _command  # noqa: F401 - so that all of it is instrumented
    from taxonomy_repo.checks import REGISTRY
    from taxonomy_repo.checks.registry import load_checks
    from tests.taxonomy_repo.fuzzing.trial import PLACES, try_input


def seed_corpus(folder: Path) -> None:
    """Write the checks' own examples, so that the search begins where leaves are."""
    folder.mkdir(parents=True, exist_ok=True)
    load_checks()
    for code, check in REGISTRY.items():
        if check.example is not None and len(check.example.data) < 4096:
            place = bytes([PLACES.index(check.example.path) if check.example.path in PLACES else 0])
            (folder / f"example-{code}").write_bytes(place + check.example.data)


def main() -> None:
    folder = Path(sys.argv[1])
    seed_corpus(folder)
    compare = os.environ.get("SEEDBED_FUZZ_VERDICT") == "true"
    atheris.Setup([sys.argv[0], str(folder), *sys.argv[2:]], lambda data: try_input(data, compare=compare))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
