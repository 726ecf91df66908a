"""Data of persons and secrets: what is found, and what only looks like it."""

from __future__ import annotations

import pytest

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, GOOD_PATH, GOOD_SKILL


def found(answer: str) -> set[str]:
    data = GOOD_SKILL.replace(" Cold.", f" '{answer}'").encode()
    return {problem.code for problem in check_leaf(data, GOOD_PATH, GOOD_ATTRIBUTION.encode())}


@pytest.mark.parametrize(
    "text",
    [
        "Ask ann.osk@osk-harbour.eu for it.",
        "Call +49 30 901820 today.",
        "Pay with 4111 1111 1111 1111 now.",
        "Send it to DE89 3704 0044 0532 0130 00.",
    ],
)
def test_data_of_persons_are_found(text: str) -> None:
    assert found(text) == {"personal-data"}


@pytest.mark.parametrize(
    "text",
    [
        "Ask ann@mail.example.org for it.",
        "Call +1 202 555 0142 today.",
        "It is 4111 1111 1111 1112 of them.",
        "From 1984-2024 the sum was 3.1415926535897932.",
        "The commit is 4f2a9c0d3b1e5f60718293a4b5c6d7e8f9012345.",
        "Add 12+345678901 and AB12 CDEF.",
    ],
)
def test_what_is_nobodys_is_left_alone(text: str) -> None:
    assert found(text) == set()


# Put together here, so that no tool takes this file for one that gives a secret away.
SECRETS = [
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "AKIA" + "Q3EGRIUNVEXAMPLE",
    "gh" + "p_" + "a1B2" * 9,
    "xox" + "b-1234567890-abcdef",
    "sk_" + "live_" + "a1B2c3D4e5F6g7H8",
    "hf_" + "aBcD" * 8,
    "https://ann:" + "hunter22@osk.example/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_found_and_not_told_again(secret: str) -> None:
    data = GOOD_SKILL.replace(" Cold.", f" 'It is {secret}'").encode()
    (problem,) = check_leaf(data, GOOD_PATH, GOOD_ATTRIBUTION.encode())
    assert (problem.code, problem.line, problem.field) == ("secret", 6, "seed_examples[0].answer")
    assert secret not in problem.message


def test_addresses_and_words_are_no_secrets() -> None:
    assert found("See https://osk.example/a:b@c and the ghost of sk-1.") == set()
