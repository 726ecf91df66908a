"""Which profile a teacher gets by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.specs import BUNDLED_MODEL
from workers.teacher.profiles import PROFILES, UnknownProfile, teacher_profile


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        (BUNDLED_MODEL, "bundled-small"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "bundled-small"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b-instruct"),
        ("gpt-4o", "generic-instruct"),
        ("meta-llama/Llama-3-8B-base", "generic-base"),
        ("google/gemma-3-4b-pt", "generic-base"),
        ("database-model", "generic-instruct"),
    ],
)
def test_auto_decides_by_the_name(name: str, profile: str) -> None:
    assert teacher_profile("auto", name).name == profile


def test_auto_decides_by_the_chat_template_where_the_files_are_here(tmp_path: Path) -> None:
    assert teacher_profile("auto", "/models/mine", tmp_path).name == "generic-base"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert teacher_profile("auto", "/models/mine", tmp_path).name == "generic-instruct"
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    assert teacher_profile("auto", "/models/mine", tmp_path).name == "generic-instruct"


def test_a_name_decides_and_an_unknown_one_lists_those_there_are() -> None:
    assert teacher_profile("generic-base", BUNDLED_MODEL).name == "generic-base"
    with pytest.raises(UnknownProfile, match="generic-instruct"):
        teacher_profile("grand", BUNDLED_MODEL)


def test_the_bundled_model_continues_and_every_chat_profile_is_structured() -> None:
    assert PROFILES["bundled-small"].style == "continuation"
    assert not PROFILES["bundled-small"].request_seeds
    assert all(profile.structured for profile in PROFILES.values() if profile.style == "chat")
