"""The components: what they show, what they escape, and that their documentation works."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from taxonomy_app.web import icons, states
from workers.environment import PROJECT


def show(template: str, /, query: str = "", **variables: Any) -> str:
    request = RequestFactory().get(f"/{query}")
    return " ".join(Template(template).render(Context({"request": request, **variables})).split())


def test_what_people_wrote_is_escaped_in_every_component() -> None:
    bad = "<b>&"
    for template in (
        "{% page_header title=bad lead=bad eyebrow=bad %}{{ bad }}{% endpage_header %}",
        "{% card title=bad hint=bad %}{{ bad }}{% endcard %}",
        "{% empty title=bad text=bad %}{{ bad }}{% endempty %}",
        "{% notice %}{{ bad }}{% endnotice %}",
        "{% table caption=bad %}{{ bad }}{% endtable %}",
        "{% badge bad %}{% badge 'done' label=bad %}{% tag bad %}{% leaf_path bad %}",
        "{% crumb bad bad %}{% crumb bad %}",
        "{% meter 1 2 label=bad text=bad %}{% stat bad bad hint=bad %}",
    ):
        shown = show(template, bad=bad)
        assert "<b>" not in shown, template
        assert "&lt;b&gt;&amp;" in shown, template
        assert "&amp;lt;" not in shown, template


def test_actions_beside_a_title_are_markup_of_the_template() -> None:
    assert '<a href="/x">Go</a>' in show('{% page_header title="T" %}<a href="/x">Go</a>{% endpage_header %}')
    assert '<a href="/x">Go</a>' in show('{% empty title="T" %}<a href="/x">Go</a>{% endempty %}')


def test_every_state_has_words_and_a_known_tone() -> None:
    for value, (words, tone) in states.STATES.items():
        assert words[0].isupper()
        assert tone in states.TONES, value
    assert "state-good" in show('{% badge "committed" %}')
    assert "Some new state" in show('{% badge "some_new_state" %}')


def test_every_state_of_the_models_is_known() -> None:
    from taxonomy_app.contributions.models import State
    from taxonomy_app.people.models import Role
    from taxonomy_app.releases.models import Release
    from taxonomy_app.rounds.models import RoundState, StageState

    wanted = {
        *State.values,
        *Role.values,
        *Release.State.values,
        *RoundState.values,
        *StageState.values,
    }
    assert wanted - states.STATES.keys() == set()


def test_icons_are_hidden_from_those_who_listen_and_an_unknown_one_is_an_error() -> None:
    for name in icons.ICONS:
        assert 'aria-hidden="true"' in icons.svg(name)
    with pytest.raises(KeyError):
        show('{% icon "no-such-icon" %}')


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=3, seconds=10), "3 minutes ago"),
        (timedelta(hours=5, minutes=50), "5 hours ago"),
        (timedelta(days=400), None),
    ],
)
def test_moments_are_told_as_people_do_with_the_exact_time_at_hand(ago: timedelta, text: str | None) -> None:
    moment = timezone.now() - ago
    shown = show("{% when moment %}", moment=moment).replace("\xa0", " ")
    assert f'datetime="{moment.isoformat().replace("+", "+")}"' in shown
    assert (text or moment.strftime("%B %Y")) in shown


def test_a_moment_to_come_is_told_exactly_and_none_as_nothing() -> None:
    shown = show("{% when moment %}", moment=datetime(2999, 1, 2, 3, 4, tzinfo=UTC))
    assert "2 January 2999, 03:04 UTC" in shown
    assert show("{% when moment %}", moment=None) == ""


class SampleForm(forms.Form):
    name = forms.CharField(label="Name", help_text="As you like it.")
    text = forms.CharField(label="Text", widget=forms.Textarea, required=False)
    agreed = forms.BooleanField(label="Agreed")
    kind = forms.ChoiceField(label="Kind", choices=[("a", "First"), ("b", "Second")], widget=forms.RadioSelect)
    several = forms.MultipleChoiceField(
        label="Several", choices=[("a", "First")], widget=forms.CheckboxSelectMultiple, required=False
    )


def test_a_field_is_wired_to_its_label_help_and_errors() -> None:
    form = SampleForm({"text": "x"})
    shown = show("{% field form.name %}", form=form)
    assert '<label class="font-semibold" for="id_name">Name</label>' in shown
    assert 'aria-describedby="id_name-help id_name-errors"' in shown
    assert 'aria-invalid="true"' in shown
    assert 'id="id_name-help"' in shown
    assert 'id="id_name-errors"' in shown
    assert "This field is required." in shown


def test_optional_fields_say_so_unless_told_not_to() -> None:
    assert "(optional)" in show("{% field form.text %}", form=SampleForm())
    assert "(optional)" not in show("{% field form.text optional=False %}", form=SampleForm())
    assert "(optional)" not in show("{% field form.name %}", form=SampleForm())


def test_choices_are_a_group_with_a_legend() -> None:
    for name in ("kind", "several"):
        shown = show("{% field field %}", field=SampleForm()[name])
        assert shown.startswith("<fieldset")
        assert "<legend" in shown
        assert f'for="id_{name}_0"' in shown
        assert f'id="id_{name}_0"' in shown
    assert 'class="radio' in show("{% field field %}", field=SampleForm()["kind"])
    assert 'class="checkbox' in show("{% field field %}", field=SampleForm()["several"])


def test_pages_keep_the_rest_of_the_address() -> None:
    page = Paginator(range(95), 10).page(3)
    shown = show("{% pagination page %}", query="?q=two+words&page=3", page=page)
    assert "21–30 of 95" in shown
    assert 'href="?q=two+words&amp;page=2" rel="prev"' in shown
    assert 'aria-current="page">3<' in shown
    assert show("{% pagination page %}", page=Paginator(range(5), 10).page(1)) == ""


def test_a_query_is_changed_without_losing_the_others() -> None:
    assert show("{% query state='done' page=None %}", query="?q=a&page=4") == "?q=a&amp;state=done"


def test_problems_are_told_with_their_line_or_that_there_are_none() -> None:
    from taxonomy_repo.problem import Problem

    found = [Problem("a-code", "error", "The answer is empty. Write it.", line=7)]
    shown = show("{% problems found empty='Nothing to mend.' %}", found=found)
    assert "Error:" in shown
    assert "Line 7" in shown
    assert "Nothing to mend." in show("{% problems found empty='Nothing to mend.' %}", found=[])


def test_a_meter_stays_between_nothing_and_all() -> None:
    assert "0%" in show("{% meter 3 0 label='x' %}")
    assert "100%" in show("{% meter 9 4 label='x' %}")
    assert 'value="1.5"' in show("{% meter 1.5 4 label='x' %}")


def test_the_documentation_names_every_component() -> None:
    from taxonomy_app.web.templatetags.components import register

    text = (PROJECT / "templates/components/README.md").read_text(encoding="utf-8")
    for name in (*register.tags, *register.filters):
        if not name.startswith("end"):
            assert re.search(rf"`{name}`|% {name}\b", text), f"{name} is not in templates/components/README.md"
