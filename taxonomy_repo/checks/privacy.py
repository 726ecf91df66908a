"""What must not be taught because it cannot be taken back: data of persons, and secrets that open something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from taxonomy_repo.checks.registry import GOOD_SKILL, Check, Example, Subject, register
from taxonomy_repo.checks.texts import all_texts
from taxonomy_repo.problem import Problem, excerpt

_EMAIL = re.compile(r"[\w.+-]{1,64}@((?:[\w-]{1,63}\.)+[\w-]{2,63})")
# Names kept for examples (RFC 2606, RFC 6761).
_EXAMPLE_HOST = re.compile(r"(^|\.)(example(\.(com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)
# Written with the country's number (ITU-T E.164: at most 15 digits).
_PHONE = re.compile(r"(?<![\w+])\+\d{1,3}(?:[ ./()-]{0,2}\d){6,13}(?!\d)")
# Numbers that are given to nobody: 555-0100 to 555-0199 in North America, and those of British dramas.
_FICTIONAL_PHONE = re.compile(r"\A1\d{3}55501\d\d\Z|\A44(?:1632960|20794609|7700900)\d{2,3}\Z")
# What may not stand before these is looked for behind their first sign: a pattern that starts with a set of signs is
# searched for many times faster.
_CARD = re.compile(r"[3-6](?<![\d.-][3-6])\d{3}(?:[ -]?\d){8,15}(?![\d-])")
_IBAN = re.compile(r"[A-Z](?<!\w[A-Z])[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")

# What it is, what stands in every text that has one (looked for first, because it is found at once), and its form.
_SECRETS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    ("a private key", ("PRIVATE KEY",), re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    ("a key of a cloud account", ("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a key of a cloud account", ("AIza",), re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    (
        "a token of a code host",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
        re.compile(r"\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_\w{60,}|glpat-[\w-]{20,})\b"),
    ),
    ("a token of a chat", ("xox",), re.compile(r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}")),
    ("a key of a paid service", ("_live_",), re.compile(r"\b(?:sk|rk)_live_[0-9A-Za-z]{16,}\b")),
    (
        "a key of a model's host",
        ("sk-", "hf_"),
        re.compile(r"\b(?:sk-(?:proj-|ant-)?[0-9A-Za-z_-]{32,}|hf_[0-9A-Za-z]{30,})\b"),
    ),
    ("a signed token", ("eyJ",), re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
    (
        "a password in an address",
        ("://",),
        re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,64}:[^\s/@]{3,}@[\w.-]+", re.I),
    ),
)


def _is_card(digits: str) -> bool:
    """Whether the last digit is the one that the others ask for (Luhn, ISO/IEC 7812-1)."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """Whether the two check digits are right (ISO 13616: modulo 97)."""
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _e_mail(match: re.Match[str]) -> bool:
    return not _EXAMPLE_HOST.search(match[1])


def _phone(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match[0])
    return 8 <= len(digits) <= 15 and not _FICTIONAL_PHONE.match(digits)


def _card(match: re.Match[str]) -> bool:
    return _is_card(re.sub(r"\D", "", match[0]))


def _account(match: re.Match[str]) -> bool:
    return _is_iban(match[0].replace(" ", ""))


_PERSONAL: tuple[tuple[str, str, re.Pattern[str], Callable[[re.Match[str]], bool], str], ...] = (
    ("@", "someone's e-mail address", _EMAIL, _e_mail, "Use one in example.org."),
    ("+", "someone's telephone number", _PHONE, _phone, "Use one that is given to nobody, such as +1 202 555 0142."),
    ("", "the number of a payment card", _CARD, _card, "Use an invented one."),
    ("", "the number of a bank account", _IBAN, _account, "Use an invented one."),
)


@register
class PersonalData(Check):
    code = "personal-data"
    severity = "warning"
    explanation = (
        "What is taught cannot be taken back. E-mail addresses, telephone numbers, bank accounts and payment cards of "
        "people do not belong into seeds: invent some. Addresses in example.org are nobody's."
    )
    example = Example(GOOD_SKILL.replace("Cold.", "Write to ann@osk-harbour.eu."))

    def find(self, subject: Subject) -> Iterator[Problem]:
        texts = list(all_texts(subject))
        whole = "\n".join(text for _, text in texts)
        # Most leaves have nothing like it anywhere, and then their texts need no look one by one.
        looked_for = [one for one in _PERSONAL if one[0] in whole and one[2].search(whole)]
        for field, text in texts if looked_for else ():
            for _, what, pattern, is_one, advice in looked_for:
                match = next((match for match in pattern.finditer(text) if is_one(match)), None)
                if match is not None:
                    yield subject.problem(self, f"{excerpt(match[0], 60)} looks like {what}. {advice}", field)


@register
class Secret(Check):
    code = "secret"
    severity = "warning"
    explanation = (
        "Keys, tokens and passwords that open something are found by others within minutes of being published, and a "
        "model repeats them. Take it out, and make it invalid where it came from: it has been seen."
    )
    example = Example(GOOD_SKILL.replace("Cold.", "Sign in at https://ann:" + "pier-number-9@osk.example/."))

    def find(self, subject: Subject) -> Iterator[Problem]:
        texts = list(all_texts(subject))
        whole = "\n".join(text for _, text in texts)
        looked_for = [
            (what, signs, pattern)
            for what, signs, pattern in _SECRETS
            if any(sign in whole for sign in signs) and pattern.search(whole)
        ]
        for field, text in texts if looked_for else ():
            for what, signs, pattern in looked_for:
                match = pattern.search(text) if any(sign in text for sign in signs) else None
                if match is not None:
                    # The whole of it does not belong into a report either.
                    message = f"This looks like {what} ({excerpt(match[0], 8)}). Take it out, and make it invalid."
                    yield subject.problem(self, message, field)
