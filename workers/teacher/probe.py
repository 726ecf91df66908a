"""What a teacher can do, found out by a handful of short questions before anything is generated with it.

Profiles say how a kind of model is prompted; here it is seen whether this model, on this server, goes with its profile.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from workers.specs import StageProblem, Strict, TeacherReference
from workers.teacher.client import RequestRefused, TeacherProblem
from workers.teacher.connection import Teacher
from workers.teacher.server import context_tokens

QUESTION = "What colour is fresh grass?"
_ASKED = f"Question: {QUESTION}\nAnswer:"
_RIGHT, _WRONG = " Fresh grass is green.", " Fresh grass is Thursday."
_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
# Of a model whose tokenizer is not at hand a token is taken for so many characters: more than the usual four, so that
# nobody is turned away by an estimate.
CHARACTERS_A_TOKEN = 6


class Probe(Strict):
    """What was found. None: not asked, or the server does not say.

    ``completes``: texts are continued. ``chats``: conversations are answered, which needs a chat template; where not,
    ``chat_refusal`` is what the server said. ``structured``: replies were held to a schema. ``probabilities``: those of
    the tokens it writes; ``prompt_probabilities``: those of a text it is shown. ``likelihood``: by how much (nats a
    token) a plainly right answer is likelier than a plainly wrong one. ``context_tokens``: the longest text it takes.
    """

    model: str
    profile: str
    url: str = ""
    completes: bool = False
    chats: bool = False
    chat_refusal: str = ""
    structured: bool | None = None
    probabilities: bool = False
    prompt_probabilities: bool = False
    likelihood: float | None = None
    context_tokens: int | None = None


async def probe(teacher: Teacher, reference: TeacherReference) -> Probe:
    """Ask the teacher; at most five requests, all at once.

    Raises:
        TeacherProblem: it cannot be reached, or refuses the key.
    """
    (completes, probabilities), likelihood, (chats, refusal, structured) = await asyncio.gather(
        _completes(teacher), _likelihood(teacher), _chats(teacher)
    )
    longest = teacher.client.context_tokens
    if longest is None and teacher.folder is not None:
        longest = reference.max_model_length or context_tokens(teacher.folder)
    return Probe(
        model=reference.model.name,
        profile=teacher.profile.name,
        url=reference.url or "",
        completes=completes,
        chats=chats,
        chat_refusal=refusal[:300],
        structured=structured,
        probabilities=probabilities,
        prompt_probabilities=likelihood is not None,
        likelihood=None if likelihood is None else round(likelihood, 3),
        context_tokens=longest,
    )


def fitted(teacher: Teacher, found: Probe) -> Teacher:
    """The teacher as it can be used: not held to a schema where the server does not take one.

    Raises:
        TeacherProblem: it does not go with its profile, in one sentence with what to do.
    """
    profile = teacher.profile
    if profile.style == "chat" and not found.chats:
        said = f": {found.chat_refusal}" if found.chat_refusal else "."
        raise TeacherProblem(
            StageProblem(
                code="teacher_chat",
                message=f"The teacher answers no conversations, which the profile {profile.name} needs{said}",
                advice="Serve it with a chat template, or plan the round with a profile that continues texts "
                "(generic-base).",
            )
        )
    if profile.style == "continuation" and not found.completes:
        raise TeacherProblem(
            StageProblem(
                code="teacher_completions",
                message=f"The teacher does not continue texts, which the profile {profile.name} needs.",
                advice="Plan the round with a profile that chats (generic-instruct), or serve it with the completions "
                "route.",
            )
        )
    if profile.structured and found.structured is False and found.chat_refusal:
        return replace(teacher, profile=replace(profile, structured=False))
    return teacher


def check_room(found: Probe, needed: int, path: str) -> None:
    """Whether a leaf's first prompt and its reply fit the teacher.

    Args:
        needed: tokens of both.
        path: the leaf's.

    Raises:
        TeacherProblem: they do not.
    """
    if found.context_tokens is not None and needed > found.context_tokens:
        raise TeacherProblem(
            StageProblem(
                code="teacher_context",
                message=f"The teacher takes {found.context_tokens:,} tokens, and a prompt of the leaf {path} with its "
                f"answer needs about {needed:,}.",
                advice="Serve it with a longer context, or choose a recipe with smaller chunks and shorter answers.",
            )
        )


async def _completes(teacher: Teacher) -> tuple[bool, bool]:
    try:
        reply = await teacher.client.complete(
            _ASKED, max_tokens=4, temperature=0.0, logprobs=1 if teacher.probabilities else None
        )
    except RequestRefused:
        return False, False
    except TeacherProblem as problem:
        return _no_such_route(problem)
    return True, bool(reply.logprobs)


def _no_such_route(problem: TeacherProblem) -> tuple[bool, bool]:
    if problem.problem.code != "teacher_answer":
        raise problem
    return False, False


async def _likelihood(teacher: Teacher) -> float | None:
    if not teacher.probabilities:
        return None
    try:
        values = await asyncio.gather(
            *(teacher.client.text_logprobs(_ASKED + said, len(_ASKED)) for said in (_RIGHT, _WRONG))
        )
    except RequestRefused:
        return None
    except TeacherProblem as problem:
        _no_such_route(problem)
        return None
    right, wrong = (sum(each) / len(each) if each else None for each in values)
    return None if right is None or wrong is None else right - wrong


async def _chats(teacher: Teacher) -> tuple[bool, str, bool | None]:
    """Whether it chats, what it said if it refused something, and whether it was held to a schema."""
    asked = (("user", f'{QUESTION} Reply with JSON: {{"answer": "..."}}'),)
    schema = _SCHEMA if teacher.profile.structured else None
    refusal = ""
    for wanted in (schema, None) if schema is not None else (None,):
        try:
            reply = await teacher.client.chat(asked, max_tokens=48, temperature=0.0, schema=wanted)
        except RequestRefused as error:
            refusal = refusal or str(error)
            continue
        except TeacherProblem as problem:
            _no_such_route(problem)
            return False, "", None
        if schema is None:
            return True, "", None
        return True, refusal, wanted is not None and _is_held(reply.text)
    return False, refusal, None


def _is_held(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and list(found) == ["answer"] and isinstance(found["answer"], str)
