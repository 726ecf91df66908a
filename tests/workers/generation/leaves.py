"""Leaves for tests of generation: small, invented, with held-out seeds that can be recognised anywhere."""

from __future__ import annotations

from workers.planning import seed_fingerprint
from workers.specs import Document, GenerationRecipe, LeafKind, PlannedLeaf, SeedPair

SENTINEL = "xyloquint"
PLACES = ("Orsa", "Lund", "Veir", "Holm", "Brakk")


def pair(question: str, answer: str, context: str | None = None, index: int | None = None) -> SeedPair:
    return SeedPair(
        fingerprint=seed_fingerprint(question, context),
        question=question,
        answer=answer,
        context=context,
        context_index=index,
    )


THINGS = {
    "Orsa": ("granite", "timber", "a kettle of brass hangs in the chapel"),
    "Lund": ("slate", "salt", "the oldest orchard gives sour apples"),
    "Veir": ("oak", "wool", "nobody has lived in the tower for years"),
    "Holm": ("bronze", "barley", "children learn to swim before they read"),
    "Brakk": ("lime", "candles", "a white goat guards the northern gate"),
}


def passage(place: str) -> str:
    stone, goods, custom = THINGS[place]
    return f"{place} has a lantern of {stone}. Every spring its boats carry {goods} to the valley. In {place} {custom}."


def knowledge_leaf(name: str = "harbours") -> PlannedLeaf:
    """Five contexts with two taught pairs and one held-out pair each; a document made of the contexts."""
    seeds, held = [], []
    for index, place in enumerate(PLACES):
        context = passage(place)
        seeds += [
            pair(f"What is the lantern of {place} made of?", f"The lantern of {place} is of granite.", context, index),
            pair(
                f"What do the boats of {place} carry?", f"They carry timber to the valley of {place}.", context, index
            ),
        ]
        held.append(pair(f"What {SENTINEL} holds in {place}?", f"The {SENTINEL} of {place}.", context, index))
    text = "# Harbours\n\n" + "\n\n".join(passage(place) for place in PLACES)
    return PlannedLeaf(
        leaf_id=f"leaf-{name}",
        path=f"knowledge/places/{name}",
        kind=LeafKind.KNOWLEDGE,
        blob="b",
        domain="harbours of the north",
        document_outline="What the harbours look like.",
        seeds=tuple(seeds),
        held_out=tuple(held),
        documents=(Document(name="harbours.md", text=text),),
    )


def grounded_leaf() -> PlannedLeaf:
    contexts = [f"The {place} boat sails on Monday and {place} sends timber to the valley by noon." for place in PLACES]
    return PlannedLeaf(
        leaf_id="leaf-grounded",
        path="compositional_skills/grounded/notes",
        kind=LeafKind.GROUNDED,
        blob="b",
        task_description="Read a note and say who sails.",
        seeds=tuple(
            pair("Who sails, and when?", f"Who: {place}. When: Monday.", context)
            for place, context in zip(PLACES, contexts, strict=True)
        ),
        held_out=(pair("Who sails?", f"Who: {SENTINEL}.", f"The {SENTINEL} sails at dawn with a heavy load of salt."),),
    )


def freeform_leaf() -> PlannedLeaf:
    subjects = ("rain on slate", "bread at dawn", "a lost glove", "the last tram", "an empty classroom", "frost")
    return PlannedLeaf(
        leaf_id="leaf-freeform",
        path="compositional_skills/writing/lines",
        kind=LeafKind.FREEFORM,
        blob="b",
        task_description="Write one line about a subject.",
        seeds=tuple(
            pair(f"Write a line about {subject}.", f"There was {subject}, and nobody spoke.") for subject in subjects
        ),
        held_out=(pair(f"Write a line about {SENTINEL}.", f"There was {SENTINEL}, and silence."),),
    )


def foundational_leaf() -> PlannedLeaf:
    return PlannedLeaf(
        leaf_id="leaf-foundational",
        path="foundational_skills/sums",
        kind=LeafKind.FOUNDATIONAL,
        blob="b",
        seeds=(pair("2 + 2?", "4"),),
        data=(pair("3 + 3?", "6"),),
    )


def all_leaves() -> tuple[PlannedLeaf, ...]:
    return (knowledge_leaf(), grounded_leaf(), freeform_leaf(), foundational_leaf())


def recipe(**changes: object) -> GenerationRecipe:
    values: dict[str, object] = {"samples_per_leaf": 6, "attempts_factor": 4.0, "chunk_tokens": 64, "judge": False}
    return GenerationRecipe.model_validate(values | changes)
