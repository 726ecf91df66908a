"""What earlier releases were taught of a leaf, from their samples' artifacts: read a leaf at a time, never whole.

A first reading notes where each leaf's lines lie; the rows of a leaf are read when its first new one is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from workers.artifacts import Artifact, ArtifactStore
from workers.generation.rows import user_text
from workers.specs import Sample

SAMPLES = "samples.jsonl"
# Roles of a generation's inputs: the samples of the round with that number.
ROLE = "samples:"


class EarlierSamples:
    """Samples of finished artifacts by leaf. Memory grows with the number of leaves, not of samples.

    Args:
        artifacts: what to call each, and the artifact.

    Raises:
        ArtifactProblem: one is not there, or not finished.
    """

    def __init__(self, artifacts: Mapping[str, Artifact]) -> None:
        self._artifacts = dict(artifacts)
        # By leaf: (name of the artifact, first byte, the one after the last); neighbouring lines are one span.
        self._spans: dict[str, list[tuple[str, int, int]]] = {}
        for name, artifact in self._artifacts.items():
            artifact.manifest()
            position = 0
            for line in artifact.byte_lines(SAMPLES):
                leaf_id = json.loads(line)["metadata"]["leaf_id"]
                spans = self._spans.setdefault(leaf_id, [])
                if spans and spans[-1][0] == name and spans[-1][2] == position:
                    spans[-1] = (name, spans[-1][1], position + len(line))
                else:
                    spans.append((name, position, position + len(line)))
                position += len(line)

    def asked(self, leaf_id: str) -> Iterator[tuple[str, str]]:
        """(what the student was asked, the name of the artifact) of every sample of a leaf."""
        for name, start, end in self._spans.get(leaf_id, ()):
            for piece in self._artifacts[name].spans(SAMPLES, [(start, end)]):
                for line in piece.splitlines():
                    sample = Sample.model_validate_json(line)
                    yield user_text(*(m.content for m in sample.messages if m.role == "user")), name


def earlier_samples(store: ArtifactStore, inputs: Mapping[str, str]) -> EarlierSamples | None:
    """Those that a stage's inputs name by the role ``samples:<number of the round>``; None where there are none.

    Raises:
        ArtifactProblem: one is not there, or not finished.
    """
    found = {
        f"a sample of round {role.removeprefix(ROLE)}": store.artifact(artifact_id)
        for role, artifact_id in inputs.items()
        if role.startswith(ROLE)
    }
    return EarlierSamples(found) if found else None
