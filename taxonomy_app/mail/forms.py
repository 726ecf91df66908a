"""What a person chooses to get by e-mail, for all kinds of notices or for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from taxonomy_app.contributions.models import Notice
from taxonomy_app.mail import choices
from taxonomy_app.mail.models import Delivery

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

# Each kind of notice as its reader would name it; the order is that of the page.
AUTHORS = {
    Notice.Kind.CHANGES_REQUESTED: "A reviewer asks me for changes",
    Notice.Kind.REJECTED: "My contribution is rejected",
    Notice.Kind.COMMITTED: "My contribution becomes part of the taxonomy",
    Notice.Kind.CONFLICT: "My contribution was overtaken by another change",
    Notice.Kind.MOVED: "My contribution is moved to another place",
    Notice.Kind.COMMENTED: "Somebody comments",
}
REVIEWERS = {
    Notice.Kind.REVISED: "A new version of what I reviewed",
    Notice.Kind.WITHDRAWN: "What I reviewed is taken back",
}
EACH = "each"


class ChoicesForm(forms.Form):
    """``everything`` decides for all kinds, unless it is EACH; the reviewers' week stands for itself."""

    everything = forms.ChoiceField(label="Notices", choices=[*Delivery.choices, (EACH, "Different for each kind")])

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        self.person = person
        chosen = choices.choices_of(person)
        self.kinds = {**AUTHORS, **(REVIEWERS if person.can_review else {})}
        now = {kind.value: chosen.get(kind, choices.DEFAULT) for kind in self.kinds}
        values = set(now.values())
        initial = {"everything": values.pop() if len(values) == 1 else EACH, **now}
        initial["reviewers"] = chosen.get(choices.REVIEWERS, choices.DEFAULT) != Delivery.OFF
        super().__init__(*args, initial=initial, auto_id="mail-%s", **kwargs)
        for kind, label in self.kinds.items():
            self.fields[kind.value] = forms.ChoiceField(label=label, choices=Delivery.choices)
        if person.can_review:
            self.fields["reviewers"] = forms.BooleanField(
                label="Every Monday: what waits for review, and how much was decided", required=False
            )

    def each(self) -> list[forms.BoundField]:
        """The fields of the single kinds."""
        return [self[kind.value] for kind in self.kinds]

    def chosen(self) -> dict[str, str]:
        """What was chosen, by kind of notice."""
        everything = self.cleaned_data["everything"]
        found = {kind.value: self.cleaned_data[kind.value] if everything == EACH else everything for kind in self.kinds}
        if "reviewers" in self.fields:
            found[choices.REVIEWERS] = Delivery.NOW if self.cleaned_data["reviewers"] else Delivery.OFF
        return found
