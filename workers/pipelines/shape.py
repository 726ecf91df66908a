"""What a pipeline's file may say: its blocks, their prompts and filters, and every number with its bounds.

Plain data (pydantic). How a block runs is in ``workers.generation.blocks``; how files are found, read and their
problems told, in ``workers.pipelines``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from workers.specs import LeafKind, Strict

Step = Literal["context", "question", "answer", "judge", "summary", "key_facts", "extract"]
# What a row is about: a question with its answer, or a whole passage.
Task = Literal["pair", "summary", "key_facts", "extract"]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Likeness = Annotated[float, Field(gt=0.0, le=1.0)]
Words = Annotated[int, Field(ge=1, le=10_000)]
Tokens = Annotated[int, Field(ge=8, le=32_768)]
# Prompts stand on lines of their own in the file; the line breaks around them are no part of them.
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


# --- Filters ----------------------------------------------------------------------------------------


class NoNumbers(Strict):
    """A filter without a number of its own."""


class LengthNumbers(Strict):
    """Words of a question on a document, and of an instruction (skills): the fewest and the most."""

    question_words: tuple[Words, Words] = (3, 60)
    instruction_words: tuple[Words, Words] = (2, 250)


class LanguageNumbers(Strict):
    most_foreign_letters: Share = 0.2
    least_small_words: Share = 0.06


class RepetitionNumbers(Strict):
    least_distinct: Share = 0.6


class CopiedPromptNumbers(Strict):
    likeness: Likeness = 0.85


class HeldOutNumbers(Strict):
    """No likeness above 0.8 may be allowed: what scores a release would be taught in other words."""

    likeness: Annotated[float, Field(gt=0.0, le=0.8)] = 0.7


class GroundingNumbers(Strict):
    least_support: Share = 0.5


class CondensedNumbers(Strict):
    most_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7


class Filters(Strict):
    """The numbers of every filter; a table that is left out has the usual ones."""

    cut_off: NoNumbers = NoNumbers()
    form: NoNumbers = NoNumbers()
    length: LengthNumbers = LengthNumbers()
    unsure: NoNumbers = NoNumbers()
    language: LanguageNumbers = LanguageNumbers()
    refusal: NoNumbers = NoNumbers()
    repetition: RepetitionNumbers = RepetitionNumbers()
    copied_prompt: CopiedPromptNumbers = CopiedPromptNumbers()
    held_out: HeldOutNumbers = HeldOutNumbers()
    duplicate: NoNumbers = NoNumbers()
    benchmark: NoNumbers = NoNumbers()
    grounding: GroundingNumbers = GroundingNumbers()
    condensed: CondensedNumbers = CondensedNumbers()
    verbatim: NoNumbers = NoNumbers()


# What each filter can look at.
FILTER_PARTS: dict[str, frozenset[str]] = {
    "cut_off": frozenset({"context", "question", "answer"}),
    "form": frozenset({"context", "question", "answer"}),
    "length": frozenset({"context", "question", "answer"}),
    "unsure": frozenset({"question", "answer"}),
    "language": frozenset({"context", "question", "answer"}),
    "refusal": frozenset({"answer"}),
    "repetition": frozenset({"context", "question", "answer"}),
    "copied_prompt": frozenset({"context", "question", "answer"}),
    "held_out": frozenset({"question"}),
    "duplicate": frozenset({"context", "question"}),
    "benchmark": frozenset({"question", "answer"}),
    "grounding": frozenset({"question", "answer"}),
    "condensed": frozenset({"answer"}),
    "verbatim": frozenset({"answer"}),
}
# A pipeline may leave any other filter out; without these, scores would say nothing.
NEEDED_FILTERS: dict[str, tuple[str, ...]] = {"question": ("held_out", "benchmark"), "answer": ("benchmark",)}


# --- Blocks -----------------------------------------------------------------------------------------


class ContextBlock(Strict):
    """The teacher writes a new text like those of the seeds."""

    block: Literal["context"]
    prompt: Text
    most_tokens: Tokens = 320
    filters: tuple[str, ...] = ()


class QuestionBlock(Strict):
    """The teacher writes a question or an instruction. A chat's reply is JSON and needs more room."""

    block: Literal["question"]
    prompt: Text
    most_tokens: Tokens = 64
    most_tokens_in_chat: Tokens = 256
    filters: tuple[str, ...] = ()


class AnswerBlock(Strict):
    """The teacher answers. ``forms`` are the two manners between which rows alternate, as ``$form`` puts them."""

    block: Literal["answer"]
    prompt: Text
    forms: dict[str, Text]
    filters: tuple[str, ...] = ()


class JudgeBlock(Strict):
    """The judge that the teacher's profile names grades the row, if it was found fit to.

    ``least_area``: how well it must tell right from wrong (area under the ROC curve) to decide anything.
    ``keep_from``: a row of this grade or better (1 to 3) is never dropped, however strict the judge.
    """

    block: Literal["judge"]
    prompt: Text
    token_ending: Text
    written_ending: Text
    least_area: Annotated[float, Field(ge=0.5, le=1.0)] = 0.75
    keep_from: Annotated[float, Field(ge=1.0, le=3.0)] = 2.0


class LengthenBlock(Strict):
    """Of a teacher that continues texts, long answers are completed from the document, where they cannot be wrong.

    ``least_support``: the share of the answer's and the question's words that a sentence must have to be the one.
    """

    block: Literal["lengthen"]
    least_support: Share = 0.4


class AuxiliaryBlock(Strict):
    """A task about a whole passage of a document; its rows stand beside those of questions and are not judged.

    ``asks``: how the student is asked, in turn. ``every``: one such row after so many rows of questions, until every
    passage of the leaf's documents has had one.
    """

    block: Literal["summary", "key_facts", "extract"]
    prompt: Text
    asks: Annotated[tuple[Text, ...], Field(min_length=1)]
    every: Annotated[int, Field(ge=2, le=1000)]
    most_tokens: Tokens = 512
    filters: tuple[str, ...] = ()


Block = Annotated[
    ContextBlock | QuestionBlock | AnswerBlock | JudgeBlock | LengthenBlock | AuxiliaryBlock,
    Field(discriminator="block"),
]
BLOCK_NAMES: tuple[str, ...] = tuple(
    name
    for kind in (ContextBlock, QuestionBlock, AnswerBlock, JudgeBlock, LengthenBlock, AuxiliaryBlock)
    for name in get_args(kind.model_fields["block"].annotation)
)
AUXILIARY: tuple[str, ...] = get_args(AuxiliaryBlock.model_fields["block"].annotation)

# The two manners of an answer, by kind of leaf: rows of knowledge alternate in length, those of skills in manner.
FORMS: dict[LeafKind, tuple[str, str]] = {
    LeafKind.KNOWLEDGE: ("short", "long"),
    LeafKind.GROUNDED: ("precise", "creative"),
    LeafKind.FREEFORM: ("precise", "creative"),
}

_KNOWLEDGE = frozenset({"domain", "outline", "examples", "source"})
_GROUNDED = frozenset({"task", "examples", "source"})
_FREEFORM = frozenset({"task", "examples"})
# What each prompt may put in, by kind of leaf, block and key.
OFFERED: dict[tuple[LeafKind, str, str], frozenset[str]] = {
    (LeafKind.KNOWLEDGE, "question", "prompt"): _KNOWLEDGE | {"persona"},
    (LeafKind.KNOWLEDGE, "answer", "prompt"): _KNOWLEDGE | {"form", "question"},
    (LeafKind.KNOWLEDGE, "judge", "prompt"): frozenset({"source", "question", "answer", "ending"}),
    (LeafKind.GROUNDED, "context", "prompt"): _FREEFORM | {"persona"},
    (LeafKind.GROUNDED, "question", "prompt"): _GROUNDED | {"persona"},
    (LeafKind.GROUNDED, "answer", "prompt"): _GROUNDED | {"form", "question"},
    (LeafKind.GROUNDED, "judge", "prompt"): frozenset({"task", "source", "question", "answer", "ending"}),
    (LeafKind.FREEFORM, "question", "prompt"): _FREEFORM | {"persona"},
    (LeafKind.FREEFORM, "answer", "prompt"): _FREEFORM | {"form", "question"},
    (LeafKind.FREEFORM, "judge", "prompt"): frozenset({"task", "question", "answer", "ending"}),
}
OFFERED |= {(LeafKind.KNOWLEDGE, name, "prompt"): frozenset({"domain", "outline", "source"}) for name in AUXILIARY}
# Without these a prompt asks about nothing.
REQUIRED: dict[tuple[LeafKind, str, str], frozenset[str]] = {
    (LeafKind.KNOWLEDGE, "question", "prompt"): frozenset({"source", "examples"}),
    (LeafKind.KNOWLEDGE, "answer", "prompt"): frozenset({"source", "question"}),
    (LeafKind.KNOWLEDGE, "judge", "prompt"): frozenset({"source", "question", "answer", "ending"}),
    (LeafKind.GROUNDED, "context", "prompt"): frozenset({"examples"}),
    (LeafKind.GROUNDED, "question", "prompt"): frozenset({"source", "examples"}),
    (LeafKind.GROUNDED, "answer", "prompt"): frozenset({"source", "question"}),
    (LeafKind.GROUNDED, "judge", "prompt"): frozenset({"source", "question", "answer", "ending"}),
    (LeafKind.FREEFORM, "question", "prompt"): frozenset({"examples"}),
    (LeafKind.FREEFORM, "answer", "prompt"): frozenset({"question"}),
    (LeafKind.FREEFORM, "judge", "prompt"): frozenset({"question", "answer", "ending"}),
}
REQUIRED |= {(LeafKind.KNOWLEDGE, name, "prompt"): frozenset({"source"}) for name in AUXILIARY}
# What a teacher that follows a chat replies is read from JSON with one field, by block; filters look at it as such.
REPLY_FIELDS: dict[str, str] = {name: name for name in ("context", "question", "answer")}
REPLY_FIELDS |= dict.fromkeys(AUXILIARY, "answer")
# Which blocks a kind of leaf may have, and those that it must have, in this order.
ORDER: dict[LeafKind, tuple[str, ...]] = {
    LeafKind.KNOWLEDGE: ("question", "answer", "judge", "lengthen", *AUXILIARY),
    LeafKind.GROUNDED: ("context", "question", "answer", "judge"),
    LeafKind.FREEFORM: ("question", "answer", "judge"),
}
NEEDED: dict[LeafKind, tuple[str, ...]] = {
    LeafKind.KNOWLEDGE: ("question", "answer"),
    LeafKind.GROUNDED: ("context", "question", "answer"),
    LeafKind.FREEFORM: ("question", "answer"),
}


# --- The whole --------------------------------------------------------------------------------------


class PipelineFile(Strict):
    """A pipeline as its file gives it: the blocks of each kind of leaf in the order in which they run.

    ``system`` opens every conversation with a teacher that chats. ``personas`` are who asks, for such a teacher;
    ``openings`` how a question begins, for one that continues texts (``-`` leaves it to the teacher). One may stand in
    either list more than once, to be drawn oftener.
    """

    title: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=500)] = ""
    version: Annotated[str, Field(pattern=r"^[\w.-]{1,30}$")]
    system: Text
    personas: Annotated[tuple[Text, ...], Field(min_length=1)]
    openings: Annotated[tuple[Text, ...], Field(min_length=1)] = ("-",)
    knowledge: tuple[Block, ...]
    grounded: tuple[Block, ...]
    freeform: tuple[Block, ...]
    filters: Filters = Filters()

    def blocks_of(self, kind: LeafKind, task: Task) -> tuple[Block, ...]:
        """The blocks by which a row of this task comes to be."""
        wanted = AUXILIARY if task == "pair" else [name for name in BLOCK_NAMES if name != task]
        return tuple(block for block in self.blocks(kind) if block.block not in wanted)

    @property
    def auxiliary(self) -> tuple[AuxiliaryBlock, ...]:
        """The tasks about whole passages."""
        return tuple(block for block in self.knowledge if isinstance(block, AuxiliaryBlock))

    def blocks(self, kind: LeafKind) -> tuple[Block, ...]:
        """The blocks of a kind of leaf; none for foundational leaves, whose samples are the pairs they come with."""
        found: tuple[Block, ...] = getattr(self, kind.value, ())
        return found

    def steps(self, kind: LeafKind) -> tuple[Step, ...]:
        """The steps of which the funnel tells: every block that may drop a row."""
        return tuple(block.block for block in self.blocks(kind) if not isinstance(block, LengthenBlock))

    def prompts(self, kind: LeafKind) -> Iterator[tuple[int, str, str, str]]:
        """(place of the block, its name, key, text) of everything with placeholders in it."""
        for place, block in enumerate(self.blocks(kind)):
            if (text := getattr(block, "prompt", None)) is not None:
                yield place, block.block, "prompt", text
