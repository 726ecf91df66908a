"""How each style of prompting words a request, and how its reply is read.

``Continuation`` shows a text that a model goes on with; ``Chat`` gives instructions and takes JSON. A style knows
nothing of filters, judges or the order of steps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from string import Template
from typing import Protocol

from workers.generation.rows import Dropped, ExampleGroup, Row
from workers.pipelines.shape import AnswerBlock, AuxiliaryBlock, Block, ContextBlock, PipelineFile, QuestionBlock
from workers.specs import GenerationRecipe, LeafKind, SeedPair
from workers.teacher.client import Reply, RequestRefused, TeacherClient
from workers.teacher.connection import Teacher

# The "filter" of rows that the teacher's server would not answer.
REFUSED = "request"
# An inventive answer still has to be an answer.
CREATIVE_TEMPERATURE = 0.7
# A label at a line's start ends what is being written: the model begins the next example.
LABELS = ("Question:", "Answer:", "Text:")


class Style(Protocol):
    """One way of asking. Each method returns text without surrounding white space.

    ``follows_instructions``: whether the teacher can be told what to do, such as to answer at length.
    """

    follows_instructions: bool

    def first_text(self, row: Row, blocks: Sequence[Block]) -> tuple[str, int]:
        """What the first request about a row would show, and how many tokens its reply may have."""
        ...

    async def context(self, row: Row, block: ContextBlock) -> str: ...

    async def question(self, row: Row, block: QuestionBlock) -> str: ...

    async def answer(self, row: Row, block: AnswerBlock) -> str: ...

    async def auxiliary(self, row: Row, block: AuxiliaryBlock) -> str: ...


def style_of(teacher: Teacher, recipe: GenerationRecipe, content: PipelineFile) -> Style:
    """The style that the teacher's profile names, with a pipeline's prompts."""
    if teacher.profile.style == "continuation":
        return Continuation(teacher, recipe)
    return Chat(teacher, recipe, content)


def one_line(text: str) -> str:
    return " ".join(text.split())


def _joined(opening: str, text: str) -> str:
    """What a reply was to begin with, and the reply."""
    return f"{opening}{text}" if not opening or text[:1] in "'’,.;:!?-" else f"{opening} {text}".strip()


class Continuation:
    """Examples written out one under another, the last one unfinished. Of a block only its numbers count."""

    follows_instructions = False

    def __init__(self, teacher: Teacher, recipe: GenerationRecipe) -> None:
        self.client: TeacherClient = teacher.client
        self.recipe = recipe
        self.request_seeds = teacher.request_seeds
        self.temperature = min(recipe.temperature, teacher.profile.most_temperature)
        self.top_p = teacher.profile.top_p
        self.by_sentence = teacher.profile.target == "sentence"
        self.least_confidence = teacher.profile.least_confidence if teacher.probabilities else None

    def first_text(self, row: Row, blocks: Sequence[Block]) -> tuple[str, int]:
        texts = "\n\n".join(group.context or "" for group in row.plan.examples)
        text = texts if row.leaf.kind is LeafKind.GROUNDED else self._start(row)
        return text, min(getattr(block, "most_tokens", 0) for block in blocks if hasattr(block, "most_tokens"))

    async def context(self, row: Row, block: ContextBlock) -> str:
        parts = [one_line(row.leaf.task_description)]
        parts += [f"Text: {_folded(group.context or '')}" for group in row.plan.examples]
        stop = ["\nText:", "\nQuestion:", "\nAnswer:", "\n\n"] if _single_paragraphs(row.plan.examples) else ["\nText:"]
        opening = row.plan.opening
        start = "\n\n".join([*parts, f"Text: {opening}".rstrip()])
        text = await self._ask(row, start, block.most_tokens, self.temperature, stop)
        return _joined(opening, text)

    async def question(self, row: Row, block: QuestionBlock) -> str:
        # Of a single sentence a weak model finds by itself what may be asked.
        opening = row.plan.opening if row.leaf.kind is LeafKind.KNOWLEDGE and not self.by_sentence else ""
        start = self._start(row) + (f"Question: {opening}" if opening else "Question:")
        stop = [*(f"\n{label}" for label in LABELS), *(["\n"] if _one_line_each(row, "question") else [])]
        text = await self._ask(row, start, block.most_tokens, self.temperature, stop)
        # Of an instruction the details are free, so its probability says nothing against it.
        knowledge = row.leaf.kind is LeafKind.KNOWLEDGE
        row.least_confidence = self.least_confidence[0] if self.least_confidence and knowledge else None
        return _joined(opening, text)

    async def answer(self, row: Row, block: AnswerBlock) -> str:
        creative = row.leaf.kind is LeafKind.FREEFORM and row.plan.manner == "creative"
        stop = [*(f"\n{label}" for label in LABELS), *(["\n"] if _one_line_each(row, "answer") else [])]
        start = f"{self._start(row)}Question: {_folded(row.question)}\nAnswer:"
        temperature = min(self.temperature, CREATIVE_TEMPERATURE) if creative else 0.0
        text = await self._ask(row, start, self.recipe.max_answer_tokens, temperature, stop)
        row.least_confidence = self.least_confidence[1] if self.least_confidence else None
        return text

    async def auxiliary(self, row: Row, block: AuxiliaryBlock) -> str:
        start = f"{_folded(row.source)}\n\nQuestion: {one_line(row.question)}\nAnswer:"
        return await self._ask(row, start, block.most_tokens, 0.0, [f"\n{label}" for label in LABELS])

    async def _ask(self, row: Row, text: str, tokens: int, temperature: float, stop: list[str]) -> str:
        try:
            reply = await self.client.complete(
                text,
                max_tokens=tokens,
                temperature=temperature,
                stop=list(dict.fromkeys(stop)),
                seed=row.plan.seed if self.request_seeds else None,
                logprobs=0 if self.least_confidence else None,
                top_p=self.top_p if temperature > 0 else 1.0,
            )
        except RequestRefused as refusal:
            raise Dropped(REFUSED, f"The teacher's server refused the request: {refusal}") from None
        row.finished = reply.finished
        row.confidence = sum(reply.logprobs) / len(reply.logprobs) if reply.logprobs else None
        return reply.text.strip()

    def _start(self, row: Row) -> str:
        """Everything before the new question: the examples first, because they are shared by neighbouring rows."""
        parts: list[str] = []
        if row.leaf.kind is LeafKind.KNOWLEDGE and self.by_sentence:
            parts.append(one_line(row.leaf.domain))
            parts += [f"{one_line(group.context or '')}\n{_pair(group.pairs[0])}" for group in row.plan.examples]
            return "\n\n".join([part for part in parts if part] + [one_line(row.source)]) + "\n"
        if row.leaf.kind is not LeafKind.KNOWLEDGE and row.leaf.task_description:
            parts.append(one_line(row.leaf.task_description))
        for group in row.plan.examples:
            parts.append(_example(group, row.leaf.kind))
        if row.leaf.kind is LeafKind.KNOWLEDGE:
            parts.append(one_line(row.source))
            parts += [_pair(pair) for pair in row.plan.own]
        text = "\n\n".join(parts) + "\n\n"
        if row.leaf.kind is LeafKind.GROUNDED:
            text += f"Text: {_folded(row.context or '')}\n"
        return text


def _example(group: ExampleGroup, kind: LeafKind) -> str:
    if kind is LeafKind.KNOWLEDGE:
        return "\n\n".join([one_line(group.context or ""), *(_pair(pair) for pair in group.pairs)])
    text = f"Text: {_folded(group.context)}\n" if group.context else ""
    return text + "\n\n".join(_pair(pair) for pair in group.pairs[:1])


def _pair(pair: SeedPair) -> str:
    return f"Question: {_folded(pair.question)}\nAnswer: {_folded(pair.answer)}"


def _folded(text: str) -> str:
    """Blank lines taken out, so that one stands only between examples."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines() if line.strip())


def _one_line_each(row: Row, part: str) -> bool:
    """Whether every example's question (answer) is a single line, so that the new one ends with its line."""
    return all("\n" not in getattr(pair, part).strip() for pair in row.plan.shown)


def _single_paragraphs(groups: tuple[ExampleGroup, ...]) -> bool:
    return all("\n" not in (group.context or "").strip() for group in groups)


class Chat:
    """Instructions in a conversation; the reply is JSON, by a schema where the teacher takes one."""

    follows_instructions = True

    def __init__(self, teacher: Teacher, recipe: GenerationRecipe, content: PipelineFile) -> None:
        self.client: TeacherClient = teacher.client
        self.recipe, self.system = recipe, content.system
        self.structured = teacher.profile.structured
        self.request_seeds = teacher.request_seeds

    def first_text(self, row: Row, blocks: Sequence[Block]) -> tuple[str, int]:
        first = blocks[0]
        if isinstance(first, ContextBlock):
            return f"{self.system}\n{self._context_prompt(row, first)}", first.most_tokens
        question = next(block for block in blocks if isinstance(block, QuestionBlock))
        return f"{self.system}\n{self._question_prompt(row, question)}", question.most_tokens_in_chat

    async def context(self, row: Row, block: ContextBlock) -> str:
        text = self._context_prompt(row, block)
        return await self._ask(row, text, "context", max(block.most_tokens, self.recipe.chunk_tokens), creative=True)

    async def question(self, row: Row, block: QuestionBlock) -> str:
        text = self._question_prompt(row, block)
        return await self._ask(row, text, "question", block.most_tokens_in_chat, creative=True)

    async def answer(self, row: Row, block: AnswerBlock) -> str:
        form = block.forms[row.plan.length if row.leaf.kind is LeafKind.KNOWLEDGE else row.plan.manner]
        text = Template(block.prompt).substitute(self._common(row), form=form, source=row.source, question=row.question)
        creative = row.leaf.kind is LeafKind.FREEFORM and row.plan.manner == "creative"
        answer = await self._ask(row, text, "answer", self.recipe.max_answer_tokens, creative=creative)
        if answer.strip(" .").upper() == "UNANSWERABLE":
            raise Dropped("unanswerable", "The teacher found no answer to its question in the document.")
        return answer

    async def auxiliary(self, row: Row, block: AuxiliaryBlock) -> str:
        text = Template(block.prompt).substitute(self._common(row), source=row.source)
        return await self._ask(row, text, "answer", block.most_tokens, creative=False)

    @staticmethod
    def _context_prompt(row: Row, block: ContextBlock) -> str:
        examples = "\n\n".join(f"[text]\n{(group.context or '').strip()}" for group in row.plan.examples)
        return Template(block.prompt).substitute(
            task=row.leaf.task_description, examples=examples, persona=row.plan.persona
        )

    def _question_prompt(self, row: Row, block: QuestionBlock) -> str:
        return Template(block.prompt).substitute(self._common(row), persona=row.plan.persona, source=row.source)

    def _common(self, row: Row) -> dict[str, str]:
        groups = [*row.plan.examples, *([ExampleGroup(None, row.plan.own)] if row.plan.own else [])]
        written = [
            "\n\n".join(
                [
                    *([f"[text]\n{group.context.strip()}"] if group.context else []),
                    *(f"Question: {pair.question.strip()}\nAnswer: {pair.answer.strip()}" for pair in group.pairs),
                ]
            )
            for group in groups
        ]
        outline = one_line(row.leaf.document_outline)
        return {
            "task": one_line(row.leaf.task_description),
            "domain": one_line(row.leaf.domain) or "one subject",
            "outline": f"The document: {outline}" if outline else "",
            "examples": "\n\n".join(written),
        }

    async def _ask(self, row: Row, text: str, field: str, tokens: int, *, creative: bool) -> str:
        schema = {
            "type": "object",
            "properties": {field: {"type": "string"}},
            "required": [field],
            "additionalProperties": False,
        }
        try:
            reply = await self.client.chat(
                (("system", self.system), ("user", text)),
                max_tokens=tokens,
                temperature=self.recipe.temperature if creative else 0.0,
                seed=row.plan.seed if self.request_seeds else None,
                schema=schema if self.structured else None,
            )
        except RequestRefused as refusal:
            raise Dropped(REFUSED, f"The teacher's server refused the request: {refusal}") from None
        row.finished = reply.finished
        return read_field(reply, field)


def read_field(reply: Reply, field: str) -> str:
    """The text of one field of a JSON reply; a fence or words around the object are forgiven.

    Raises:
        Dropped: there is no such object in the reply.
    """
    start, end = reply.text.find("{"), reply.text.rfind("}")
    try:
        found = json.loads(reply.text[start : end + 1], strict=False)
        value = found[field]
    except (ValueError, KeyError, TypeError):
        if not reply.finished:
            raise Dropped("cut_off", "The teacher's reply was cut off before its end.") from None
        raise Dropped("unreadable", "The teacher's reply was not the JSON that was asked for.") from None
    if not isinstance(value, str):
        raise Dropped("unreadable", "The teacher's reply was not the JSON that was asked for.")
    return value.strip()
