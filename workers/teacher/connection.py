"""From a teacher by name to a client that answers: resolve the model, start a server or take a key, check, use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.artifacts import ArtifactStore
from workers.environment import EnvironmentProblem, SharedSettings, read_text
from workers.model_folder import ModelProblem
from workers.models import resolve
from workers.specs import StageProblem, TeacherReference, is_key_variable
from workers.teacher.client import Endpoint, TeacherClient, TeacherProblem, endpoint_url
from workers.teacher.pool import TeacherPool
from workers.teacher.profiles import TeacherProfile, UnknownProfile, teacher_profile
from workers.teacher.server import installed_source, new_server


@dataclass(frozen=True)
class Teacher:
    """A teacher that answers. ``folder`` holds its files (and tokenizer) where they are on this machine."""

    client: TeacherClient
    profile: TeacherProfile
    folder: Path | None
    # Whether a request may name its seed: not with vLLM's CPU engine, which dies of it.
    request_seeds: bool
    # Whether the server tells how probable its tokens are; transformers' own server does not.
    probabilities: bool = True


def endpoint_key(variable: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key in the environment variable that a plan names, or in the file that ``<variable>_FILE`` names.

    Raises:
        TeacherProblem: the variable is not such a one, or not set.
    """
    if variable is None:
        return None
    if not is_key_variable(variable):
        raise TeacherProblem(
            StageProblem(
                code="teacher_key",
                message=f"{variable} is not a variable for a teacher's key.",
                advice="Use SEEDBED_TEACHER_KEY (or a name that begins so or ends in _API_KEY).",
            )
        )
    try:
        key = read_text(variable, environ=environ)
    except EnvironmentProblem as problem:
        raise TeacherProblem(
            StageProblem(code="teacher_key", message=str(problem), advice="Correct the worker's environment.")
        ) from None
    if not key:
        raise TeacherProblem(
            StageProblem(
                code="teacher_key",
                message=f"The teacher's key is missing: {variable} is not set where the worker runs.",
                advice=f"Set {variable} or {variable}_FILE in the worker's environment and start it again.",
            )
        )
    return key


@contextlib.asynccontextmanager
async def open_teacher(
    reference: TeacherReference,
    *,
    settings: SharedSettings,
    store: ArtifactStore | None,
    log: Path,
    seed: int,
    report: Callable[[str], None] = lambda _text: None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[Teacher]:
    """A teacher for the length of the block; a server that was started for it is stopped at its end.

    Args:
        log: where a server of one's own writes.
        seed: of the server's random numbers.
        report: told in a few words what is being waited for.

    Raises:
        TeacherProblem: it cannot be used, with the one sentence for the administrator.
    """
    if reference.source == "endpoint":
        if reference.url is None:
            raise TeacherProblem(
                StageProblem(
                    code="teacher_url",
                    message="The plan gives no address for the teacher.",
                    advice="Plan the round anew.",
                )
            )
        profile = _profile(reference, None)
        async with _endpoint_client(reference, reference.url, environ) as client:
            await client.check()
            yield Teacher(client, profile, None, profile.request_seeds)
        return
    try:
        folder = resolve(reference.model, settings=settings, store=store)
    except ModelProblem as problem:
        raise TeacherProblem(
            StageProblem(
                code="teacher_model", message=str(problem), advice="Choose another teacher or put it in place."
            )
        ) from None
    profile = _profile(reference, folder)
    installed = installed_source()
    source = installed if reference.source == "auto" else reference.source
    if source == "vllm" and installed != "vllm":
        raise TeacherProblem(
            StageProblem(
                code="teacher_vllm",
                message="vLLM is not installed where this worker runs.",
                advice="Install it (on GPUs: pip install .[gpu]) or choose transformers or an address.",
            )
        )
    slower = " (transformers' own server, slower than vLLM)" if source == "transformers" else ""
    report(f"Starting the teacher{slower}")
    server = new_server(
        folder, reference, source=source, log=log, seed=seed, report=lambda text: report(text + slower), environ=environ
    )
    try:
        await server.start()
        async with TeacherClient(
            server.endpoint, max_in_flight=reference.max_in_flight, recovered=server.recovered
        ) as client:
            if source == "vllm":
                await client.check()
            yield Teacher(client, profile, folder, request_seeds=False, probabilities=source == "vllm")
    finally:
        await server.stop()


def _endpoint_client(reference: TeacherReference, url: str, environ: Mapping[str, str]) -> TeacherClient:
    """A client of the one address, or of all of them."""
    key = endpoint_key(reference.key_variable, environ)
    limits = [(url, reference.max_in_flight), *((other.url, other.max_in_flight) for other in reference.further)]
    clients = [
        TeacherClient(Endpoint(endpoint_url(address), reference.model.name, key), max_in_flight=most)
        for address, most in limits
    ]
    return clients[0] if len(clients) == 1 else TeacherPool(clients)


def _profile(reference: TeacherReference, folder: Path | None) -> TeacherProfile:
    try:
        return teacher_profile(reference.profile, reference.model.name, folder)
    except UnknownProfile as problem:
        raise TeacherProblem(
            StageProblem(code="teacher_profile", message=str(problem), advice="Plan the round with one of these.")
        ) from None
