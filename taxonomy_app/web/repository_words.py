"""What ``taxonomy_repo`` says in English, in the reader's language: it knows nothing of Django and of languages.

A label or a sentence is found by its English form; what is not known stays as it is.
"""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext_noop as mark

# The labels of ``taxonomy_repo.comparison``; those of pairs are numbered.
LABELS = (
    mark("Text"),
    mark("Question"),
    mark("Answer"),
    mark("Task"),
    mark("Domain"),
    mark("Outline of the document"),
    mark("Document"),
    mark("Title"),
    mark("Link"),
    mark("Revision"),
    mark("Licence"),
    mark("Made by"),
)


def field_words(label: str) -> str:
    """A field's label: ``Question 3`` → ``Frage 3``."""
    word, _space, number = label.rpartition(" ")
    if number.isdecimal() and word in LABELS:
        return f"{translation.gettext(word)} {number}"
    return translation.gettext(label) if label in LABELS else label


def said(sentence: str) -> str:
    """A sentence, its varying parts as they are."""
    return sentence
