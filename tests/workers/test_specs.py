"""The contract: canonical, hashed, strict."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.workers.planning_data import some_leaves, some_plan, some_spec
from workers.specs import (
    STAGE_QUEUE,
    PlannedLeaf,
    RoundPlan,
    StageKind,
    StageReport,
    StageSpec,
    TeacherReference,
    canonical_json,
    content_hash,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_equal_data_has_one_text_whatever_the_order(data: dict[str, object]) -> None:
    turned = dict(reversed(data.items()))
    assert canonical_json(turned) == canonical_json(data)
    assert json.loads(canonical_json(data)) == data


@given(values, values)
def test_different_data_has_different_hashes(one: object, other: object) -> None:
    assert (content_hash(one) == content_hash(other)) == (canonical_json(one) == canonical_json(other))


def test_a_plan_survives_its_json_and_keeps_its_hash() -> None:
    plan = some_plan()
    again = RoundPlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert again.hash == plan.hash


def test_whatever_changes_a_plan_changes_its_hash() -> None:
    plan = some_plan()
    other = TeacherReference(source="endpoint", url="http://teacher")
    changed = [{"random_seed": 8}, {"taxonomy_commit": "d" * 40}, {"code_version": "x"}, {"teacher": other}]
    assert len({plan.hash, *(plan.model_copy(update=change).hash for change in changed)}) == len(changed) + 1


@pytest.mark.parametrize("leaf", some_leaves(), ids=lambda leaf: leaf.kind.value)
def test_a_leaf_survives_its_json(leaf: PlannedLeaf) -> None:
    assert PlannedLeaf.model_validate_json(leaf.model_dump_json()) == leaf


def test_a_key_that_is_not_known_is_an_error() -> None:
    data = some_spec().model_dump(mode="json")
    assert StageSpec.model_validate(data) == some_spec()
    with pytest.raises(ValidationError, match="surprise"):
        StageSpec.model_validate({**data, "surprise": 1})


def test_a_teacher_never_carries_a_key() -> None:
    with pytest.raises(ValidationError):
        TeacherReference.model_validate({"key": "secret"})
    with pytest.raises(ValidationError):
        TeacherReference(key_variable="sk-secret")


def test_each_attempt_is_asked_to_stop_by_itself() -> None:
    assert some_spec(attempt=1).cancel_key != some_spec(attempt=2).cancel_key


def test_every_kind_of_stage_has_a_queue() -> None:
    assert set(STAGE_QUEUE) == set(StageKind)


def test_a_report_needs_a_known_event() -> None:
    reference = some_spec().reference.model_dump()
    with pytest.raises(ValidationError):
        StageReport.model_validate({"reference": reference, "sequence": 1, "event": "bored"})
