"""From YAML nodes to a leaf: the public schemas, walked by hand so that every problem has its line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from taxonomy_repo.leaf import (
    CURRENT_VERSION,
    DocumentReference,
    KnowledgeSeed,
    Leaf,
    LeafReading,
    QuestionAnswer,
    Seed,
    SeedExample,
)
from taxonomy_repo.problem import Problem, Severity, excerpt, spoken_field
from taxonomy_repo.yaml_source import MERGE, YamlSource, merged_pairs, node_lines, node_place, plain_value

SKILL_KEYS = ("version", "created_by", "task_description", "seed_examples")
KNOWLEDGE_KEYS = ("version", "created_by", "domain", "document_outline", "document", "seed_examples")
# Keys that people write, and the one they mean.
MEANT = {
    "quesiton": "question",
    "questions": "question",
    "response": "answer",
    "answers": "answer",
    "seed examples": "seed_examples",
    "seed-examples": "seed_examples",
    "seed.examples": "seed_examples",
    "created-by": "created_by",
    "created.by": "created_by",
    "create_by": "created_by",
    "author": "created_by",
    "task-description": "task_description",
    "task.description": "task_description",
    "description": "task_description",
    "questions_and_answer": "questions_and_answers",
    "qna": "questions_and_answers",
}
_STRING = "tag:yaml.org,2002:str"
_EMPTY = "The file is empty. Add created_by, task_description and seeds."
_MAPPING = "tag:yaml.org,2002:map"
_SEQUENCE = "tag:yaml.org,2002:seq"
_READ_AS = {
    "tag:yaml.org,2002:bool": "yes or no (a truth value)",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:null": "nothing at all",
}
T = TypeVar("T")


def read_source_as_leaf(source: YamlSource, path: str, schema_version: int | None = None) -> LeafReading:
    """The leaf in ``source``; problems of both, in the order of the file.

    ``schema_version``: hold the file to this version, whatever it says itself. None: to the one that it names.
    """
    reader = _Reader(list(source.problems), schema_version)
    leaf: Leaf | None = None
    if source.root is None:
        if not source.problems or all(problem.severity != "error" for problem in source.problems):
            reader.say("empty-file", "warning", _EMPTY, None)
    elif _is_nothing(source.root):
        reader.say("empty-file", "warning", _EMPTY, source.root)
    elif not isinstance(source.root, MappingNode):
        message = "The file has no keys such as created_by: and seed_examples:. Start with those of another leaf."
        reader.say("not-a-mapping", "error", message, source.root)
    else:
        leaf = reader.leaf(source.root, path)
    problems = sorted(reader.problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    return LeafReading(leaf, tuple(problems), reader.lines, reader.applied)


def _is_nothing(root: Node) -> bool:
    """Whether the public tools take the whole file for empty: no keys, no items, or a bare ``null``, ``no`` or 0."""
    if not isinstance(root, ScalarNode):
        return not root.value
    try:
        return not plain_value(root)
    except ValueError:
        return False


class _Reader:
    """One walk through one file, gathering problems and the lines of fields."""

    def __init__(self, problems: list[Problem], schema_version: int | None) -> None:
        self.problems = problems
        self.lines: dict[str, tuple[int, int]] = {}
        self.wanted = schema_version
        self.applied = schema_version or CURRENT_VERSION

    @property
    def strict(self) -> bool:
        """Whether repeated keys and items count: the public tools neither lint version 1 nor look for them in it."""
        return self.applied > 1

    def say(self, code: str, severity: Severity, message: str, node: Node | None, field: str | None = None) -> None:
        place = node_place(node) if node is not None else None
        self.problems.append(
            Problem(code, severity, message, place.line if place else 1, place.column if place else 1, field)
        )

    # -- the whole

    def leaf(self, root: MappingNode, path: str) -> Leaf | None:
        pairs, _ = self.pairs(root, "")
        values = {key.value: value for key, value in pairs if isinstance(key, ScalarNode)}
        branch = path.split("/", 1)[0]
        knowledge = branch == "knowledge" or (
            branch not in ("compositional_skills", "foundational_skills") and "document" in values
        )
        version, understood = self.version(root, values.get("version"))
        if not understood:
            return None
        if knowledge and self.applied != CURRENT_VERSION:
            self.say(
                "knowledge-version",
                "error",
                f"Knowledge in version {self.applied} is no longer supported. Write it as version {CURRENT_VERSION}: "
                "contexts with questions_and_answers, a document and a document_outline.",
                values.get("version", root),
                "version",
            )
            return None
        if not knowledge and self.applied != CURRENT_VERSION:
            self.say(
                "version-old",
                "info",
                f"The leaf is written in version {self.applied}; the next edit saves it as version {CURRENT_VERSION}.",
                root,
                "version",
            )
        fields = self.fields(root, "", KNOWLEDGE_KEYS if knowledge else SKILL_KEYS)
        least = 5 if self.strict else 1
        created_by = self.required_text(root, fields, "created_by")
        if knowledge:
            domain = self.required_text(root, fields, "domain")
            outline = self.required_text(root, fields, "document_outline")
            document = self.document(root, fields)
            knowledge_seeds = self.items(
                root, fields, "seed_examples", self.knowledge_seed, least=least, words="seed examples"
            )
            return Leaf(version, created_by, "", tuple(knowledge_seeds), domain, outline, document)
        # Version 1 allows an empty task_description.
        task = self.required_text(root, fields, "task_description", may_be_empty=not self.strict)
        seeds: list[Seed] = list(
            self.items(root, fields, "seed_examples", self.skill_seed, least=least, words="seed examples")
        )
        return Leaf(version, created_by, task, tuple(seeds))

    def version(self, root: Node, node: Node | None) -> tuple[int | None, bool]:
        """The version named in the file (None: none), and whether anything can be read by it.

        ``applied`` becomes the version whose rules the file is held to.
        """
        named: int | None = None
        if node is not None:
            self.lines["version"] = node_lines(node)
            named = _whole_number(node)
            if named is None:
                message = f"The version must be the number {CURRENT_VERSION}, without quotes."
                self.say("version-unknown", "error", message, node, "version")
                return CURRENT_VERSION, True
            if not 1 <= named <= CURRENT_VERSION:
                message = f"There is no version {named if abs(named) < 1000 else ''}. Write version: {CURRENT_VERSION}."
                self.say("version-unknown", "error", message.replace(" .", " like this."), node, "version")
                return None, False
        if self.wanted is None:
            self.applied = named or 1
        elif named != self.wanted and not (named is None and self.wanted == 1):
            said = "names no version" if named is None else f"says version {named}"
            message = f"The file {said} and is checked as version {self.wanted}. Write version: {self.wanted}."
            self.say("version-not-wanted", "error", message, node or root, "version")
        return named, True

    # -- parts

    def document(self, root: Node, fields: dict[str, Node]) -> DocumentReference | None:
        node = self.required(root, fields, "", "document")
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            self.wrong_kind(node, "document", "repo, commit and patterns below it")
            return None
        inner = self.fields(node, "document", ("repo", "commit", "patterns"))
        repo = self.required_text(node, inner, "repo", "document")
        commit = self.required_text(node, inner, "commit", "document")
        patterns = self.items(node, inner, "document.patterns", self.text, least=1, words="patterns")
        return DocumentReference(repo, commit, tuple(patterns))

    def skill_seed(self, node: Node, field: str) -> SeedExample:
        if not isinstance(node, MappingNode):
            self.wrong_kind(node, field, "a question and an answer")
            return SeedExample("", "")
        fields = self.fields(node, field, ("question", "answer", "context"))
        context = self.text(fields["context"], f"{field}.context") if "context" in fields else None
        return SeedExample(
            self.required_text(node, fields, "question", field),
            self.required_text(node, fields, "answer", field),
            context,
        )

    def knowledge_seed(self, node: Node, field: str) -> KnowledgeSeed:
        if not isinstance(node, MappingNode):
            self.wrong_kind(node, field, "a context and its questions_and_answers")
            return KnowledgeSeed("", ())
        fields = self.fields(node, field, ("context", "questions_and_answers"))
        context = self.required_text(node, fields, "context", field)
        pairs = self.items(
            node, fields, f"{field}.questions_and_answers", self.pair, least=3, words="questions with answers"
        )
        return KnowledgeSeed(context, tuple(pairs))

    def pair(self, node: Node, field: str) -> QuestionAnswer:
        if not isinstance(node, MappingNode):
            self.wrong_kind(node, field, "a question and an answer")
            return QuestionAnswer("", "")
        # The public schema lets pairs have further keys; they are told about and not kept.
        fields = self.fields(node, field, ("question", "answer"), unknown="warning")
        return QuestionAnswer(
            self.required_text(node, fields, "question", field), self.required_text(node, fields, "answer", field)
        )

    # -- the grammar of all parts

    def fields(
        self, node: MappingNode, field: str, known: Collection[str], unknown: Severity = "error"
    ) -> dict[str, Node]:
        """The values of ``node`` by key. Unknown and repeated keys are said; the last of a repeated one counts."""
        self.untyped(node, _MAPPING, field)
        found: dict[str, Node] = {}
        written: set[str] = set()
        prefix = f"{field}." if field else ""
        pairs, own = self.pairs(node, field)
        for at, (key, value) in enumerate(pairs):
            name = key.value if isinstance(key, ScalarNode) else ""
            if at >= own and name in written:
                message = f"{excerpt(name)} is given twice here. Keep one."
                self.say("duplicate-key", "error" if self.strict else "warning", message, key, f"{prefix}{name[:60]}")
            if at >= own:
                written.add(name)
            if not isinstance(key, ScalarNode) or key.tag != _STRING or name not in known:
                self.unknown_key(key, name, prefix, known, unknown)
                if unknown != "error":
                    self.extra_value(key, value, f"{prefix}{name[:60]}")
                continue
            found[name] = value
            first = key.start_mark.line + 1
            self.lines[f"{prefix}{name}"] = (first, max(first, node_lines(value)[1]))
        return found

    def pairs(self, node: MappingNode, field: str) -> tuple[list[tuple[Node, Node]], int]:
        """Keys with their values, those taken from elsewhere by ``<<`` first, and how many these are."""
        try:
            pairs, sign = merged_pairs(node)
        except ValueError:
            message = "<< takes keys from elsewhere, and there are none there. Write them out here."
            self.say("yaml-merge-nothing", "error", message, node, field or None)
            return [pair for pair in node.value if pair[0].tag != MERGE], 0
        if sign is None:
            return pairs, 0
        message = "<< takes keys from elsewhere. Write them out here, where people read them."
        self.say("yaml-merge-key", "warning", message, sign, field or None)
        return pairs, len(pairs) - sum(key.tag != MERGE for key, _ in node.value)

    def extra_value(self, key: Node, value: Node, field: str) -> None:
        """A value that is not kept must still be one that the public tools can read."""
        try:
            plain_value(MappingNode(_MAPPING, [(key, value)]))
        except ValueError:
            message = "The public tools cannot read this value. Put it in quotes, or take it away."
            self.say("yaml-value", "error", message, value, field)
        for inner in _mappings(value):
            names = [key.value for key, _ in inner.value if isinstance(key, ScalarNode) and key.tag != MERGE]
            if len(set(names)) < len(names):
                message = "A key is given twice here. Keep one."
                self.say("duplicate-key", "error" if self.strict else "warning", message, inner, field)

    def unknown_key(self, key: Node, name: str, prefix: str, known: Collection[str], severity: Severity) -> None:
        meant = MEANT.get(name.lower())
        if meant in known:
            advice = f"Do you mean {meant}?"
        elif name == "attribution":
            advice = "Sources belong into the attribution, not among the seeds."
        elif name in ("questions_and_answers", "document", "domain", "document_outline"):
            advice = f"{name} belongs to knowledge; this leaf is a skill."
        elif name == "task_description":
            advice = "Knowledge leaves have domain and document_outline instead."
        else:
            advice = f"Known here: {', '.join(known)}."
        if severity == "warning":
            advice += " It is not kept."
        shown = excerpt(name, 60) or "This key"
        code = "unknown-key" if severity == "error" else "unknown-pair-key"
        self.say(code, severity, f"{shown} is not a key that a leaf has here. {advice}", key, f"{prefix}{name[:60]}")

    def required(self, parent: Node, fields: dict[str, Node], prefix: str, name: str) -> Node | None:
        node = fields.get(name)
        if node is None:
            field = f"{prefix}.{name}" if prefix else name
            where = f"{spoken_field(prefix)} has" if prefix else "The leaf has"
            self.say("missing-key", "error", f"{where} no {name}. Add it.", parent, field)
        return node

    def required_text(
        self, parent: Node, fields: dict[str, Node], name: str, prefix: str = "", *, may_be_empty: bool = False
    ) -> str:
        node = self.required(parent, fields, prefix, name)
        return "" if node is None else self.text(node, f"{prefix}.{name}" if prefix else name, may_be_empty)

    def text(self, node: Node, field: str, may_be_empty: bool = False) -> str:
        """The text of ``node``; what YAML reads as something else is said, and taken as it is written."""
        if not isinstance(node, ScalarNode):
            self.wrong_kind(node, field, "one text")
            return ""
        value = str(node.value)
        if node.tag != _STRING:
            if node.tag == "tag:yaml.org,2002:null":
                message = f"{spoken_field(field)} has no text. Write it, or take it away."
                self.say("empty-text", "error", message, node, field)
                return ""
            kind = _READ_AS.get(node.tag)
            if kind == "a number" and ":" in value:
                kind = "a time, and so a number"
            if kind is None:
                message = f"{spoken_field(field)} starts with a type ({excerpt(node.tag)}). Put the text in quotes."
                self.say("yaml-tag", "error", message, node, field)
            else:
                message = f'YAML reads {excerpt(value)} as {kind}, not as text. Put it in quotes: "{excerpt(value)}".'
                self.say("not-text", "error", message, node, field)
        elif not value and not may_be_empty:
            self.say("empty-text", "error", f"{spoken_field(field)} is empty. Write it, or take it away.", node, field)
        return value

    def items(
        self,
        parent: Node,
        fields: dict[str, Node],
        field: str,
        read: Callable[[Node, str], T],
        *,
        least: int,
        words: str,
    ) -> Iterator[T]:
        """The items of a list, each read by ``read``; too few or a repeated one (from version 2 on) are said."""
        prefix, _, name = field.rpartition(".")
        node = self.required(parent, fields, prefix, name)
        if node is None:
            return
        if not isinstance(node, SequenceNode):
            self.wrong_kind(node, field, f"a list of {words}, each starting with -")
            return
        self.untyped(node, _SEQUENCE, field)
        if len(node.value) < least:
            message = f"There are {len(node.value)} {words} here; at least {least} are needed. Add more."
            self.say("too-few", "error", message, node, field)
        seen: dict[T, tuple[int, Node]] = {}
        for index, item in enumerate(node.value):
            place = f"{field}[{index}]"
            self.lines[place] = node_lines(item)
            value = read(item, place)
            number, first = seen.setdefault(value, (index, item))
            # What is read the same may be written differently: pairs may have keys that are not kept.
            # Two that are still empty are told to be filled in, each at its fields.
            if self.strict and first is not item and not _is_empty(item) and _shape(first) == _shape(item):
                message = f"Number {index + 1} is the same as number {number + 1}. Take one away."
                self.say("duplicate-item", "error", message, item, place)
            yield value

    def untyped(self, node: Node, usual: str, field: str) -> None:
        """Say that a list or keys have a type of their own (``!``) where they have."""
        if node.tag != usual:
            message = f"There is a type ({excerpt(node.tag)}) before this. Take away the word that starts with !."
            self.say("yaml-tag", "error", message, node, field or None)

    def wrong_kind(self, node: Node, field: str, wanted: str) -> None:
        self.say("wrong-kind", "error", f"{spoken_field(field)} must be {wanted}.", node, field)


def _mappings(node: Node) -> Iterator[MappingNode]:
    """``node`` and everything in it that has keys."""
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, MappingNode):
            yield inner
            stack += (part for pair in inner.value for part in pair)
        elif isinstance(inner, SequenceNode):
            stack += inner.value


def _whole_number(node: Node) -> int | None:
    """The number that the public schemas take for a whole one (3 and 3.0 are), or None."""
    try:
        value = plain_value(node)
    except ValueError:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _is_empty(node: Node) -> bool:
    """Whether nothing was written into a value yet: no text at all, under whatever keys."""
    if isinstance(node, ScalarNode):
        return not node.value.strip()
    if isinstance(node, SequenceNode):
        return all(_is_empty(item) for item in node.value)
    return all(_is_empty(value) for _, value in node.value)


def _shape(node: Node) -> object:
    """A value that is equal for nodes that hold the same."""
    if isinstance(node, ScalarNode):
        return (node.tag, node.value)
    if isinstance(node, SequenceNode):
        return tuple(_shape(item) for item in node.value)
    return frozenset((_shape(key), _shape(value)) for key, value in node.value)
