"""Leaves and texts that are alike: by n-grams, by a real endpoint, and what happens when that does not answer."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app import environment
from taxonomy_app.environment import EmbeddingsSettings
from taxonomy_app.people.models import User
from taxonomy_app.tree import services
from taxonomy_app.tree.models import LeafVector
from taxonomy_app.tree.similarity import embeddings, nearest, ngrams
from taxonomy_app.tree.similarity import vectors as vectors_module
from taxonomy_app.tree.similarity.nearest import nearest_to_leaf, nearest_to_text, places_for
from taxonomy_app.tree.similarity.vectors import vectors_update
from taxonomy_app.tree.tasks import vectors
from tests.conftest import Taxonomy
from tests.leaves import FREEFORM, GROUNDED, KNOWLEDGE
from tests.taxonomy_app.tree.test_services import commit, document, move
from workers.environment import EnvironmentProblem


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What a process holds in memory is of one test only."""
    nearest.forget()
    yield
    nearest.forget()


# --- n-grams ---------------------------------------------------------------------------------------------------


def test_a_profile_has_the_runs_of_the_words_and_none_across_them() -> None:
    assert ngrams.profile_of("seed bank").size == len({" see", "seed", "eed ", " ban", "bank", "ank "})
    assert ngrams.profile_of("bank seed").tolist() == ngrams.profile_of("Seed BANK, seed").tolist()
    assert ngrams.profile_of("").size == 0
    assert ngrams.profile_of("俳句").size == 1


@given(st.text(max_size=300))
def test_a_profile_survives_being_stored(text: str) -> None:
    profile = ngrams.profile_of(text)
    assert ngrams.from_bytes(ngrams.to_bytes(profile)).tolist() == profile.tolist()
    assert profile.tolist() == sorted(set(profile.tolist()))


def test_likeness_is_the_cosine_of_sets_weighted_by_rarity() -> None:
    texts = ["write haiku", "write sonnets", "count beans"]
    profiles = [set(ngrams.profile_of(text).tolist()) for text in texts]
    asked = set(ngrams.profile_of("write limericks").tolist())
    holders = {run: sum(run in profile for profile in profiles) for profile in profiles for run in profile}

    def weight(run: int) -> float:
        return math.log(4 / holders.get(run, 1)) ** 2 if run in holders else math.log(4) ** 2

    def length(runs: set[int]) -> float:
        return math.sqrt(sum(weight(run) for run in runs))

    expected = [sum(weight(run) for run in asked & profile) / (length(asked) * length(profile)) for profile in profiles]
    index = ngrams.NgramIndex([10, 11, 12], [ngrams.profile_of(text) for text in texts])
    found = dict(index.nearest(ngrams.profile_of("write limericks"), 5))
    assert found == pytest.approx({10: expected[0], 11: expected[1]})
    assert 12 not in found
    assert index.nearest(ngrams.profile_of("write haiku"), 1)[0] == (10, pytest.approx(1.0))


def test_an_index_of_nothing_finds_nothing() -> None:
    assert ngrams.NgramIndex([], []).nearest(ngrams.profile_of("a word"), 3) == []
    assert embeddings.VectorIndex([], []).nearest(np.ones(3, np.float32), 3) == []


# --- Vectors of leaves -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_leaf_gets_its_vector_once_and_a_new_one_when_it_changes(
    taxonomy: Taxonomy, now: datetime, django_assert_num_queries: Any
) -> None:
    assert vectors_update(now=now).written == {ngrams.SOURCE: 4}
    with django_assert_num_queries(3):
        assert vectors_update(now=now).written == {ngrams.SOURCE: 0}
    before = LeafVector.objects.get(leaf__path=FREEFORM)
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Something else")})
    move(taxonomy, GROUNDED, "compositional_skills/notes/dates", day=1)
    services.index_update(now=now)
    later = now + timedelta(minutes=1)
    assert vectors_update(now=later).written == {ngrams.SOURCE: 2}
    after = LeafVector.objects.get(leaf__path=FREEFORM)
    assert bytes(after.data) != bytes(before.data)
    assert after.made_at == later
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": None, f"{FREEFORM}/attribution.txt": None}, day=2)
    services.index_update(now=now)
    vectors_update(now=later)
    assert LeafVector.objects.count() == 3
    services.index_rebuild(now=now)
    vectors()
    assert LeafVector.objects.filter(leaf__removed_at__isnull=True).count() == 3


@pytest.mark.django_db
def test_related_leaves_are_those_about_the_same_things(taxonomy: Taxonomy, now: datetime) -> None:
    odes, sums = "compositional_skills/poems/plant_odes", "compositional_skills/sums/invoices"
    commit(
        taxonomy,
        {
            f"{odes}/qna.yaml": document("Write an ode that rhymes about a plant"),
            f"{sums}/qna.yaml": document("Total up invoices"),
        },
    )
    services.index_update(now=now)
    assert nearest_to_leaf(taxonomy.leaf(FREEFORM)) == []
    vectors_update(now=now)
    nearest.forget()
    found = [one.leaf.path for one in nearest_to_leaf(taxonomy.leaf(FREEFORM))]
    assert found[0] == odes
    assert FREEFORM not in found


@pytest.mark.django_db
def test_places_for_a_text_are_the_folders_of_the_leaves_like_it(taxonomy: Taxonomy, now: datetime) -> None:
    vectors_update(now=now)
    (first, *_), note = places_for("Rhymes about the plants in my garden")
    assert (first.folder, [one.leaf.path for one in first.leaves]) == ("compositional_skills/writing", [FREEFORM])
    assert note == ""
    asked = "How seeds and plants are kept cold, and rhymes about them"
    assert {place.folder for place in places_for(asked)[0]} > {"knowledge/gardening"}
    assert [place.folder for place in places_for(asked, branch="knowledge")[0]] == ["knowledge/gardening"]
    assert places_for("zzzz qqqq")[0] == []
    assert places_for("")[0] == []


@pytest.mark.django_db
def test_a_process_sees_new_vectors_after_a_while(
    taxonomy: Taxonomy, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nearest_to_text("rhymes about plants")[0] == []
    vectors_update(now=now)
    assert nearest_to_text("rhymes about plants")[0] == []
    monkeypatch.setattr(nearest, "_FRESH_SECONDS", 0.0)
    assert nearest_to_text("rhymes about plants")[0][0].leaf.path == FREEFORM
    # A leaf that went since is left out, whatever the memory still says.
    monkeypatch.setattr(nearest, "_FRESH_SECONDS", 3600.0)
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": None, f"{FREEFORM}/attribution.txt": None})
    services.index_update(now=now)
    assert FREEFORM not in [one.leaf.path for one in nearest_to_text("rhymes about plants")[0]]


# --- A real endpoint ---------------------------------------------------------------------------------------


class Endpoint(ThreadingHTTPServer):
    """An OpenAI-compatible server whose vectors count the meanings of a few words."""

    meanings = (("rhyme", "verse", "poem", "song"), ("seed", "bank", "cold"), ("row", "how many", "count"))

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: Any = None
        self.status = 200

    @property
    def settings(self) -> EmbeddingsSettings:
        return EmbeddingsSettings(f"http://127.0.0.1:{self.server_address[1]}/v1", "tiny", "a-key")

    def vector(self, text: str) -> list[float]:
        return [0.05 + sum(text.lower().count(word) for word in words) for words in self.meanings]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:  # the name is http.server's
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        self.server.keys.append(self.headers["Authorization"])
        data = [{"index": at, "embedding": self.server.vector(text)} for at, text in enumerate(asked["input"])]
        # The order of the rows is the endpoint's own business; their numbers count.
        body = json.dumps(self.server.answer or {"data": data[::-1]}).encode()
        self.send_response(self.server.status if self.path == "/v1/embeddings" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is http.server's
        """Says nothing."""


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.EMBEDDINGS = server.settings
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.mark.django_db
def test_a_model_finds_what_no_letters_have_in_common(taxonomy: Taxonomy, now: datetime, endpoint: Endpoint) -> None:
    result = vectors_update(now=now)
    assert result.written == {ngrams.SOURCE: 4, "model:tiny": 4}
    assert endpoint.keys[0] == "Bearer a-key"
    assert endpoint.asked[0]["model"] == "tiny"
    near, note = nearest_to_text("a poem")
    assert near[0].leaf.path == FREEFORM
    assert note == ""
    assert nearest_to_leaf(taxonomy.leaf(KNOWLEDGE), most=1)[0].leaf.path != KNOWLEDGE


@pytest.mark.django_db
def test_the_model_is_asked_for_people_and_not_for_visitors(
    taxonomy: Taxonomy, now: datetime, endpoint: Endpoint, contributor: User, client_for: Callable[..., Client]
) -> None:
    vectors_update(now=now)
    for person, asked in ((None, 0), (contributor, 2)):
        endpoint.asked.clear()
        client = client_for(person)
        assert client.get(reverse("tree:home"), {"q": "a verse nobody wrote"}).status_code == 200
        assert client.get(reverse("tree:places"), {"text": "a verse"}).status_code == 200
        assert len(endpoint.asked) == asked


@pytest.mark.django_db
def test_without_an_answer_the_letters_must_do_and_the_page_says_so(
    taxonomy: Taxonomy, now: datetime, endpoint: Endpoint
) -> None:
    vectors_update(now=now)
    endpoint.status = 503
    near, note = nearest_to_text("plant rhymes")
    assert near[0].leaf.path == FREEFORM
    assert "found by spelling" in note
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Something else")})
    services.index_update(now=now)
    result = vectors_update(now=now)
    assert result.written == {ngrams.SOURCE: 1}
    assert result.problem == "The embeddings endpoint answered with status 503."
    endpoint.status = 200
    assert vectors_update(now=now).written == {ngrams.SOURCE: 0, "model:tiny": 1}


@pytest.mark.django_db
def test_until_most_leaves_have_a_vector_of_the_model_it_is_not_asked(
    taxonomy: Taxonomy, now: datetime, endpoint: Endpoint, settings: Any
) -> None:
    settings.EMBEDDINGS = None
    vectors_update(now=now)
    settings.EMBEDDINGS = endpoint.settings
    assert nearest_to_text("plant rhymes")[0][0].leaf.path == FREEFORM
    assert endpoint.asked == []


@pytest.mark.django_db
def test_a_slow_endpoint_is_asked_for_a_while_and_the_rest_the_next_time(
    taxonomy: Taxonomy, now: datetime, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors_module, "_BATCH", 3)
    monkeypatch.setattr(vectors_module, "SECONDS_A_RUN", 0.0)
    assert [vectors_update(now=now).written["model:tiny"] for _ in range(3)] == [3, 1, 0]


@pytest.mark.django_db
def test_vectors_of_a_model_that_is_no_longer_configured_go(
    taxonomy: Taxonomy, now: datetime, endpoint: Endpoint, settings: Any
) -> None:
    vectors_update(now=now)
    settings.EMBEDDINGS = None
    vectors_update(now=now)
    assert set(LeafVector.objects.values_list("source", flat=True)) == {ngrams.SOURCE}


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": ["a"]}]},
        {"data": [{"index": 0}]},
        {"error": "no"},
        ["data"],
    ],
)
def test_an_answer_that_is_not_vectors_is_refused_in_one_sentence(answer: Any, endpoint: Endpoint) -> None:
    endpoint.answer = answer
    with pytest.raises(embeddings.EmbeddingsProblem, match=r"^The embeddings endpoint answered something unexpected"):
        embeddings.Endpoint(endpoint.settings).vectors_of(["a"], timeout=(1, 5))


def test_an_endpoint_that_is_not_there_is_told_in_one_sentence() -> None:
    nowhere = EmbeddingsSettings("http://127.0.0.1:9/v1", "tiny", "")
    with pytest.raises(embeddings.EmbeddingsProblem, match="does not answer"):
        embeddings.Endpoint(nowhere).vectors_of(["a"], timeout=(1, 1))


def test_many_texts_are_asked_in_batches_and_come_back_in_order(endpoint: Endpoint) -> None:
    texts = [f"{'rhyme ' * (number % 5)}{'seed ' * (number % 3)}" for number in range(embeddings.BATCH * 2 + 1)]
    found = embeddings.Endpoint(endpoint.settings).vectors_of(texts, timeout=(1, 5))
    assert sorted(len(asked["input"]) for asked in endpoint.asked) == [1, embeddings.BATCH, embeddings.BATCH]
    for text, vector in zip(texts, found, strict=True):
        wanted = np.asarray(endpoint.vector(text))
        assert vector == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-5)


def test_a_vector_keeps_its_direction_in_half_precision() -> None:
    vector = np.asarray([0.6, -0.8, 0.001], np.float32)
    assert embeddings.from_bytes(embeddings.to_bytes(vector)) == pytest.approx(vector, abs=1e-3)


def test_vectors_of_another_length_do_not_break_the_index() -> None:
    index = embeddings.VectorIndex([1, 2, 3], [np.ones(2, np.float32), np.ones(3, np.float32), np.ones(2, np.float32)])
    assert {key for key, _ in index.nearest(np.ones(2, np.float32), 5)} == {1, 3}
    assert index.nearest(np.ones(3, np.float32), 5) == []


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"SEEDBED_EMBEDDINGS_URL": "http://host/v1"}, "together"),
        ({"SEEDBED_EMBEDDINGS_MODEL": "tiny"}, "together"),
        ({"SEEDBED_EMBEDDINGS_URL": "host:80", "SEEDBED_EMBEDDINGS_MODEL": "tiny"}, "must look like"),
        ({"SEEDBED_EMBEDDINGS_URL": "http://host/v1?a=b", "SEEDBED_EMBEDDINGS_MODEL": "tiny"}, "must look like"),
    ],
)
def test_half_a_setting_is_refused_at_the_start(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(EnvironmentProblem, match=sentence):
        environment.embeddings(environ)


def test_the_endpoint_is_read_from_the_environment() -> None:
    assert environment.embeddings({}) is None
    given = {"SEEDBED_EMBEDDINGS_URL": "https://host/v1/", "SEEDBED_EMBEDDINGS_MODEL": "tiny"}
    assert environment.embeddings(given) == EmbeddingsSettings("https://host/v1", "tiny", "")
