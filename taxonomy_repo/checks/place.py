"""Where the leaf lies. New leaves are held to the grammar where they are submitted; here they are told about it."""

from __future__ import annotations

from collections.abc import Iterator

from taxonomy_repo.checks.registry import Check, Example, Subject, register
from taxonomy_repo.problem import Problem


class PathCheck(Check):
    """A check whose problems ``check_path`` finds."""

    def find(self, subject: Subject) -> Iterator[Problem]:
        if not subject.path:
            return iter(())
        return (problem for problem in subject.place_problems if problem.code == self.code)


@register
class PathUnsafe(PathCheck):
    code = "path-unsafe"
    severity = "error"
    explanation = "A place with .. or an absolute path would lead out of the taxonomy."
    example = Example(path="compositional_skills/../../etc")


@register
class PathBranch(PathCheck):
    code = "path-branch"
    severity = "warning"
    explanation = "Every leaf lies below one of the three branches, which decides how it is taught."
    example = Example(path="skills/writing/haiku")


@register
class PathDepth(PathCheck):
    code = "path-depth"
    severity = "warning"
    explanation = "A leaf has a name of its own below its branch, and is still found by people: ten levels at most."
    example = Example(path="compositional_skills/a/b/c/d/e/f/g/h/i/j/haiku")


@register
class PathReserved(PathCheck):
    code = "path-reserved"
    severity = "warning"
    explanation = "Some names mean something else to file systems or to this program."
    example = Example(path="compositional_skills/writing/con")


@register
class PathName(PathCheck):
    code = "path-name"
    severity = "warning"
    explanation = "Names of folders are small letters, digits, - and _, so that they are the same on every system."
    example = Example(path="compositional_skills/writing/Haiku poems")
