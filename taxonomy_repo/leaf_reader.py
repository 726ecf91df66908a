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
from taxonomy_repo.problem import Problem, Severity, spoken_field
from taxonomy_repo.yaml_source import YamlSource, node_lines, node_place

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
_MERGE = "tag:yaml.org,2002:merge"
_READ_AS = {
    "tag:yaml.org,2002:bool": "yes or no (a truth value)",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:null": "nothing at all",
}
T = TypeVar("T")


def read_source_as_leaf(source: YamlSource, path: str) -> LeafReading:
    """The leaf in ``source``; problems of both, in the order of the file."""
    reader = _Reader(list(source.problems))
    leaf: Leaf | None = None
    if source.root is None:
        if not source.problems or all(problem.severity != "error" for problem in source.problems):
            reader.say("empty-file", "error", "The file is empty. Add created_by, task_description and seeds.", None)
    elif not isinstance(source.root, MappingNode):
        message = "The file has no keys such as created_by: and seed_examples:. Start with those of another leaf."
        reader.say("not-a-mapping", "error", message, source.root)
    elif not source.root.value:
        reader.say("empty-file", "error", "The file is empty. Add created_by, task_description and seeds.", source.root)
    else:
        leaf = reader.leaf(source.root, path)
    problems = sorted(reader.problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    return LeafReading(leaf, tuple(problems), reader.lines)


class _Reader:
    """One walk through one file, gathering problems and the lines of fields."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.lines: dict[str, tuple[int, int]] = {}
        self.strict = True

    def say(self, code: str, severity: Severity, message: str, node: Node | None, field: str | None = None) -> None:
        place = node_place(node) if node is not None else None
        self.problems.append(
            Problem(code, severity, message, place.line if place else 1, place.column if place else 1, field)
        )

    # -- the whole

    def leaf(self, root: MappingNode, path: str) -> Leaf | None:
        keys = {key.value for key, _ in root.value if isinstance(key, ScalarNode)}
        branch = path.split("/", 1)[0]
        knowledge = branch == "knowledge" or (
            branch not in ("compositional_skills", "foundational_skills") and "document" in keys
        )
        version, understood = self.version(root)
        # The public tools neither lint version 1 nor look for repeated items in it.
        self.strict = version not in (None, 1)
        if not understood:
            return None
        if knowledge and version != CURRENT_VERSION:
            node = next((v for k, v in root.value if k.value == "version"), root)
            self.say(
                "knowledge-version",
                "error",
                f"Knowledge in version {version or 1} is no longer supported. Write it as version {CURRENT_VERSION}: "
                "contexts with questions_and_answers, a document and a document_outline.",
                node,
                "version",
            )
            return None
        if not knowledge and version != CURRENT_VERSION:
            self.say(
                "version-old",
                "info",
                f"The leaf is written in version {version or 1}; the next edit saves it as version {CURRENT_VERSION}.",
                root,
                "version",
            )
        fields = self.fields(root, "", KNOWLEDGE_KEYS if knowledge else SKILL_KEYS)
        least = 1 if version in (None, 1) else 5
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
        task = self.required_text(root, fields, "task_description", may_be_empty=version in (None, 1))
        seeds: list[Seed] = list(
            self.items(root, fields, "seed_examples", self.skill_seed, least=least, words="seed examples")
        )
        return Leaf(version, created_by, task, tuple(seeds))

    def version(self, root: MappingNode) -> tuple[int | None, bool]:
        """The version named in the file (None: none), and whether anything can be read by it."""
        node = next((value for key, value in root.value if key.value == "version"), None)
        if node is None:
            return None, True
        self.lines["version"] = node_lines(node)
        text = str(node.value) if isinstance(node, ScalarNode) else ""
        try:
            number = float(text) if node.tag == "tag:yaml.org,2002:float" else int(text)
        except ValueError:
            number = 0
        whole = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and number == int(number)
        if not whole:
            message = f"The version must be the number {CURRENT_VERSION}, without quotes."
            self.say("version-unknown", "error", message, node, "version")
            return CURRENT_VERSION, True
        if number not in (1, 2, 3):
            message = f"There is no version {text}. Write version: {CURRENT_VERSION}."
            self.say("version-unknown", "error", message, node, "version")
            return None, False
        return int(number), True

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
        found: dict[str, Node] = {}
        prefix = f"{field}." if field else ""
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else ""
            plain = isinstance(key, ScalarNode) and key.tag == _STRING
            if isinstance(key, ScalarNode) and key.tag == _MERGE:
                self.say(
                    "yaml-merge-key", "error", "<< takes keys from elsewhere. Write them out here.", key, field or None
                )
                continue
            if not plain or name not in known:
                self.unknown_key(key, name, prefix, known, unknown)
                continue
            if name in found:
                message = f"{name} is given twice here. Keep one."
                self.say("duplicate-key", "error" if self.strict else "warning", message, key, f"{prefix}{name}")
            found[name] = value
            first = key.start_mark.line + 1
            self.lines[f"{prefix}{name}"] = (first, max(first, node_lines(value)[1]))
        return found

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
        shown = name[:60] or "This key"
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
                message = f"{spoken_field(field)} has no text. Write it, or take the key away."
                self.say("empty-text", "error", message, node, field)
                return ""
            kind = _READ_AS.get(node.tag)
            if kind == "a number" and ":" in value:
                kind = "a time, and so a number"
            if kind is None:
                message = f"{spoken_field(field)} starts with a type ({node.tag}). Put the text in quotes."
                self.say("yaml-tag", "error", message, node, field)
            else:
                message = f'YAML reads {value[:40]} as {kind}, not as text. Put it in quotes: "{value[:40]}".'
                self.say("not-text", "error", message, node, field)
        elif not value and not may_be_empty:
            self.say(
                "empty-text", "error", f"{spoken_field(field)} is empty. Write it, or take the key away.", node, field
            )
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
            if self.strict and first is not item and _shape(first) == _shape(item):
                message = f"Number {index + 1} is the same as number {number + 1}. Take one away."
                self.say("duplicate-item", "error", message, item, place)
            yield value

    def wrong_kind(self, node: Node, field: str, wanted: str) -> None:
        self.say("wrong-kind", "error", f"{spoken_field(field)} must be {wanted}.", node, field)


def _shape(node: Node) -> object:
    """A value that is equal for nodes that hold the same."""
    if isinstance(node, ScalarNode):
        return (node.tag, node.value)
    if isinstance(node, SequenceNode):
        return tuple(_shape(item) for item in node.value)
    return frozenset((_shape(key), _shape(value)) for key, value in node.value)
