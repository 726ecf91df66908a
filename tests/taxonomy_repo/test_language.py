"""The language of texts, told only where it is plain."""

from __future__ import annotations

import pytest

from taxonomy_repo.checks.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the name of the boat that left the harbour?", "English"),
        ("Wie heißt das Boot, das aus dem Hafen und nicht in den Sund fuhr?", "German"),
        ("Quel est le nom du bateau qui part pour une île avec des sacs?", "French"),
        ("¿Cuál es el nombre de la barca que sale del puerto para la isla?", "Spanish"),
        ("Jak się nazywa łódź, która nie jest w porcie i płynie do wyspy?", "Polish"),
        ("Как называется лодка, которая вышла из гавани?", "Cyrillic"),
        ("船の名前は何ですか。港を出ました。", "Japanese"),
        ("这艘船的名字叫什么？它离开了港口去岛上。", "Chinese"),
        ("ما اسم القارب الذي غادر الميناء؟", "Arabic"),
        ("배의 이름은 무엇입니까? 항구를 떠났습니다.", "Korean"),
    ],
)
def test_it_is_told_by_script_and_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    "text", ["", "Cold.", "Osk, Pell, Tollen", "def f(x): return x + 1", "12345 67890 !!!", "été 東京"]
)
def test_it_is_not_guessed(text: str) -> None:
    assert language_of(text) is None
