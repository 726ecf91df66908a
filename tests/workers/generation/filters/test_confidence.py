"""What the teacher found unlikely itself is dropped where its profile says so."""

from __future__ import annotations

from tests.workers.generation.filters.rows import a_row, reason
from tests.workers.generation.leaves import freeform_leaf
from workers.generation.filters.confidence import Unsure


def test_an_unlikely_reply_is_dropped_with_its_number() -> None:
    row = a_row(freeform_leaf(), question="What bare hen?", confidence=-2.0, least_confidence=-1.1)
    assert "-2.00" in (reason(Unsure(), row, "question") or "")
    assert row.scores == {"question_confidence": -2.0}


def test_a_likely_one_or_one_without_numbers_is_not() -> None:
    assert reason(Unsure(), a_row(freeform_leaf(), confidence=-0.5, least_confidence=-1.1), "question") is None
    assert reason(Unsure(), a_row(freeform_leaf(), confidence=-9.0), "question") is None
    assert reason(Unsure(), a_row(freeform_leaf(), least_confidence=-1.1), "question") is None
