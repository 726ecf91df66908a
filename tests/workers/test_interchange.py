"""Training data out to InstructLab's layout and in from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.interchange import InterchangeProblem, exported, imported, imported_samples, main
from workers.specs import Message, Sample, SampleMetadata

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip()))


def a_sample(name: str = "s1", *, answer: str = "At nine.", document: bool = False) -> Sample:
    question = () if document else (Message(role="user", content="When does the ferry leave?"),)
    return Sample(
        sample_id=name,
        messages=(*question, Message(role="assistant", content=answer)),
        metadata=SampleMetadata(
            leaf_id="l", leaf_path="knowledge/ferry", origin="generated", seeds=("a", "b"), span=("ferry.md", 3, 9)
        ),
    )


@given(texts, texts, st.booleans())
def test_what_went_out_comes_back_as_it_was(name: str, answer: str, document: bool) -> None:
    sample = a_sample(name[:200], answer=answer, document=document)
    line = json.dumps(exported(sample, unmask=False))
    assert imported(json.loads(line), branch="compositional_skills", place="it") == sample


def test_a_row_has_what_the_training_reads() -> None:
    row = exported(a_sample(), unmask=False)
    assert row["messages"] == [
        {"role": "user", "content": "When does the ferry leave?"},
        {"role": "assistant", "content": "At nine."},
    ]
    assert row["unmask"] is False
    assert json.loads(row["metadata"])["leaf_path"] == "knowledge/ferry"
    assert exported(a_sample(), unmask=True)["unmask"] is True
    assert exported(a_sample(document=True), unmask=False)["unmask"] is True, "a text to read carries loss as a whole"


def test_rows_of_other_makers_are_read() -> None:
    pair = [("user", "When does it leave?"), ("assistant", "At nine.")]
    spoken = "<|user|>\nWhen does it leave?\n<|assistant|>\nAt nine."
    messages = [{"role": role, "content": text} for role, text in pair]
    rows: list[dict[str, Any]] = [
        {"messages": messages, "metadata": '{"dataset": "x"}'},
        {"system": "", "user": "When does it leave?", "assistant": "At nine."},
        {"messages": [{"role": "pretraining", "content": spoken}]},
        {"messages": [*messages, {"role": "pretraining", "content": spoken}], "id": "given"},
    ]
    found = [imported(row, branch="knowledge", place="it") for row in rows]
    assert [[(m.role, m.content) for m in sample.messages] for sample in found] == [pair] * 4
    assert {sample.metadata.leaf_path for sample in found} == {"knowledge/imported"}
    assert {sample.metadata.origin for sample in found} == {"imported"}
    assert len({sample.sample_id for sample in found[:3]}) == 1, "the same conversation has the same name"
    assert found[3].sample_id == "given"
    text = imported({"messages": [{"role": "pretraining", "content": "The ferry."}]}, branch="knowledge", place="it")
    assert [(message.role, message.content) for message in text.messages] == [("assistant", "The ferry.")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object with messages"),
        ('{"text": "x"}', "has no messages"),
        ('{"messages": [{"role": "user"}]}', "a message without a text"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "unknown role 'robot'"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "does not end with an answer"),
        ('{"messages": [{"role": "assistant", "content": " "}]}', "does not end with an answer"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, why: str) -> None:
    good = json.dumps(exported(a_sample(), unmask=False))
    with pytest.raises(InterchangeProblem, match=r"Line 3 of mine\.jsonl") as caught:
        list(imported_samples([good, "", line], branch="knowledge", name="mine.jsonl"))
    assert why in str(caught.value)


def mixture_in(folder: Path) -> Path:
    folder.mkdir()
    phases = {"knowledge_short": ["k1"], "knowledge_long": ["k2", "k3"], "skills": ["s1"]}
    for phase, names in phases.items():
        (folder / f"{phase}.jsonl").write_text("".join(a_sample(name).model_dump_json() + "\n" for name in names))
    listed = [{"name": phase, "file": f"{phase}.jsonl"} for phase in phases]
    (folder / "phases.json").write_text(json.dumps({"phases": listed}))
    return folder


def test_the_commands_write_two_files_and_read_them_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", "--mixture", str(mixture_in(tmp_path / "mixture")), "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["knowledge_train_msgs"], told["skills_train_msgs"]) == (3, 1)
    files = [str(file) for file in sorted(out.iterdir())]
    assert main(["import", *files, "--out", str(tmp_path / "samples.jsonl")]) == 0
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert [Sample.model_validate_json(line) for line in lines] == [a_sample(n) for n in ("k1", "k2", "k3", "s1")]


def test_a_file_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.jsonl"
    target = tmp_path / "samples.jsonl"
    target.write_text("kept\n")
    for data, why in ((b"\x1f\x8b\xff", "no text in UTF-8"), (b"{}\n", "Line 1 of"), (None, "No such file")):
        wrong.unlink(missing_ok=True)
        if data is not None:
            wrong.write_bytes(data)
        assert main(["import", str(wrong), "--out", str(target)]) == 2
        assert why in capsys.readouterr().err
        assert target.read_text() == "kept\n"
        assert not list(tmp_path.glob(".*.part"))
    assert main(["export", "--mixture", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "is no mixture" in capsys.readouterr().err
