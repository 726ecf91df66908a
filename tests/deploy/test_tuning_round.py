"""Following a round: what the shell says of it is what its page says, with the numbers."""

import pytest

from deploy.demonstration.tuning_round import follow, with_numbers

METER = '<div class="mt-2" data-progress="12 of 64 samples"></div>'


@pytest.mark.parametrize(
    ("happening", "page", "said"),
    [
        ("Generating for writing/rhymes.", METER, "Generating for writing/rhymes: 12 of 64 samples."),
        ("Skills: step 3 of 9.", METER, "Skills: step 3 of 9."),
        ("Loading the student.", "<p></p>", "Loading the student."),
        ("Starting the teacher (3 s).", '<div data-progress="0 of 64 samples">', "Starting the teacher (3 s)."),
        ("Scoring.", '<div data-progress="1 of 2 &#x27;items&#x27;">', "Scoring: 1 of 2 'items'."),
    ],
)
def test_the_sentence_tells_how_far_it_is(happening: str, page: str, said: str) -> None:
    assert with_numbers(happening, page) == said


class Looks:
    """A browser that finds one state of the round's page after another."""

    def __init__(self, *pages: tuple[str, str, str]) -> None:
        self.pages = list(pages)

    def get(self, url: str) -> object:
        state, line, more = self.pages.pop(0)
        found = type("Page", (), {})()
        found.html, found.status_line = f'<div data-state="{state}">{more}</div>', line
        return found


def test_a_round_is_followed_to_its_end_and_each_new_sentence_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.demonstration.tuning_round.time.sleep", lambda _seconds: None)
    said: list[str] = []
    looks = Looks(("running", "Generating.", METER), ("running", "Generating.", METER), ("done", "Done.", ""))
    assert follow(looks, "http://site/rounds/1/", said.append, lambda: None) == "done"  # type: ignore[arg-type]
    assert said == ["Generating: 12 of 64 samples.", "Done."]
