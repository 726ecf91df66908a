"""What a worker would say of an asking."""

from __future__ import annotations

from typing import Any

from workers.asking.specs import (
    AnswerReading,
    AskingProgress,
    AskingReport,
    AskingSpec,
    GivenAnswer,
    TriedSamples,
)
from workers.specs import DroppedSample, FunnelStep, Message, Sample, SampleMetadata, StageProblem


def given(key: str, text: str = "I am long and thin.", **changes: Any) -> GivenAnswer:
    reading = AnswerReading(
        tokens=20, agreed=12, likelihood=0.31, own_likelihood=0.84, surprise="soup", surprise_probability=0.004
    )
    return GivenAnswer.model_validate({"key": key, "text": text, "reading": reading, **changes})


def report(spec: AskingSpec, event: str, sequence: int, **more: Any) -> dict[str, Any]:
    made = AskingReport.model_validate(
        {"reference": spec.reference, "sequence": sequence, "event": event, "worker": "w", **more}
    )
    return made.model_dump(mode="json")


def progress(spec: AskingSpec, *answers: GivenAnswer, sequence: int = 2) -> dict[str, Any]:
    assert spec.answers is not None
    total = len(spec.answers.questions)
    told = AskingProgress(done=len(answers), total=total, unit="answers", answers=answers)
    return report(spec, "progress", sequence, progress=told)


def done(spec: AskingSpec, *answers: GivenAnswer, sequence: int = 9) -> dict[str, Any]:
    result = {"answers": [one.model_dump(mode="json") for one in answers]}
    return report(spec, "done", sequence, result=result)


def failed(spec: AskingSpec, code: str = "answering", sequence: int = 9) -> dict[str, Any]:
    problem = StageProblem(code=code, message="The model could not be asked.", advice="Ask again.")
    return report(spec, "failed", sequence, problem=problem)


def sample(number: int, question: str = "Make a riddle about the quince.") -> Sample:
    return Sample(
        sample_id=f"s{number}",
        messages=(Message(role="user", content=question), Message(role="assistant", content="Yellow and sour.")),
        metadata=SampleMetadata(leaf_id="", leaf_path="p", origin="generated", scores={"judge": 2.0}),
    )


def tried() -> TriedSamples:
    dropped = DroppedSample(
        sample=sample(9, "Make a riddle about the bean."), filter="near_duplicate", reason="like a seed", score=0.93
    )
    return TriedSamples(
        samples=(sample(1), sample(2)),
        dropped=(dropped,),
        funnel=(FunnelStep(leaf_id="", step="question", given=5, kept=2, dropped={"near_duplicate": 3}),),
        wanted=5,
        requests=11,
        seconds=3.5,
        profile="base",
    )
