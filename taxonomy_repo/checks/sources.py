"""Whose work a leaf is made from: its attribution is there, can be read, and names an allowed licence."""

from __future__ import annotations

from collections.abc import Iterator

from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, Check, Example, Subject, register
from taxonomy_repo.licence import ALLOWED_LICENCES, is_allowed, meant_licence
from taxonomy_repo.problem import Problem, excerpt


@register
class AttributionMissing(Check):
    code = "attribution-missing"
    severity = "warning"
    explanation = "Each leaf says where its text comes from, even when its author wrote all of it."
    example = Example(attribution=None)

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.attribution is None:
            message = "The leaf does not say where its text comes from. Add title, licence and creators."
            yield Problem(self.code, self.severity, message, field="attribution")
        elif not subject.attribution.attribution.entries:
            message = "The attribution names no work. Add title, licence and creators."
            yield Problem(self.code, self.severity, message, field="attribution")


@register
class AttributionUnreadable(Check):
    code = "attribution-unreadable"
    severity = "warning"
    explanation = "Lines of attribution.txt are a key, a colon and a value. Others are left out."
    example = Example(attribution="I wrote all of this.\n\n" + GOOD_ATTRIBUTION)

    def find(self, subject: Subject) -> Iterator[Problem]:
        return iter(()) if subject.attribution is None else iter(subject.attribution.problems)


@register
class LicenceNotAllowed(Check):
    code = "licence-not-allowed"
    severity = "warning"
    explanation = (
        f"Only text that anyone may use can be taught. Allowed: {', '.join(ALLOWED_LICENCES)}, alone or put together "
        "as SPDX does it (MIT OR Apache-2.0). The public tools do not look; a leaf cannot be submitted here without."
    )
    example = Example(attribution=GOOD_ATTRIBUTION.replace("CC-BY-4.0", "CC-BY-NC-4.0"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.attribution is None:
            return
        for number, entry in enumerate(subject.attribution.attribution.entries):
            field = f"attribution[{number}].licence"
            if not entry.licence:
                message = f"Source {number + 1} names no licence. Add one of {', '.join(ALLOWED_LICENCES)}."
                yield Problem(self.code, self.severity, message, field=field)
            elif not is_allowed(entry.licence):
                meant = meant_licence(entry.licence)
                advice = f"Write {meant} if you mean that." if meant else "Choose another source."
                message = (
                    f"The licence {excerpt(entry.licence, 60)} is not among those that can be used: "
                    f"{', '.join(ALLOWED_LICENCES)}. {advice}"
                )
                yield Problem(self.code, self.severity, message, field=field)


@register
class AttributionIncomplete(Check):
    code = "attribution-incomplete"
    severity = "warning"
    explanation = "A title and the names of its makers are the least that a source is owed."
    example = Example(attribution=GOOD_ATTRIBUTION.replace("Creator names: Ann\n", ""))

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.attribution is None:
            return
        for number, entry in enumerate(subject.attribution.attribution.entries):
            for name, spoken in (("title", "title"), ("creators", "creators")):
                if not getattr(entry, name):
                    message = f"Source {number + 1} has no {spoken}. Add it."
                    yield Problem(self.code, self.severity, message, field=f"attribution[{number}].{name}")
