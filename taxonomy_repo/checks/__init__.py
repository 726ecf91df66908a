"""What may be wrong with a leaf. Each rule is a small class in a file of this folder, registered by its code."""

from __future__ import annotations

from taxonomy_repo.checks.registry import REGISTRY, Check, Subject, run_checks
from taxonomy_repo.problem import Problem

__all__ = ["REGISTRY", "Check", "Problem", "Subject", "check_leaf"]


def check_leaf(
    data: bytes, path: str = "", attribution: bytes | None = None, *, schema_version: int | None = None
) -> list[Problem]:
    """Everything wrong with a leaf, in the order of the file. Never raises for what is in it.

    Errors are what the public tools refuse too (told to lint strictly), what could do harm, and licences under which
    nobody may teach; stricter rules of this project are warnings.

    Args:
        data: ``qna.yaml``.
        path: the leaf's folder relative to the taxonomy's root.
        attribution: ``attribution.txt``, or None where there is none.
        schema_version: hold the file to this version (1 to 3), whatever it says itself. None: to the one it names.
    """
    return run_checks(Subject.of(data, path, attribution, schema_version))
