"""Secrets out of texts, before anything is written. Equal secrets get equal tokens."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from unslow.evidence import Evidence

T = TypeVar("T")

NAME = r"[\w.-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credential|authorization|cookie|session(?:id)?|auth)[\w.-]*"
PATTERNS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]*PRIVATE KEY-----|$)()", 0),
        (r"\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@'\"]{0,200}:([^\s@/'\"]{1,200})@", re.IGNORECASE),
        (r"\b[\w.-]{1,60}:([^\s:@/'\"]{1,200})@(?:tcp|unix)\(", 0),
        (r"\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE),
        (r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*)", 0),
        (r"\b((?:AKIA|ASIA)[A-Z0-9]{16})\b", 0),
        (r"\b(gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,})", 0),
        (
            r"(?:X-Amz-(?:Signature|Security-Token|Credential)|[?&](?:token|sig|signature|api_?key|access_token|password))=([^&\s\"']{4,})",
            re.IGNORECASE,
        ),
        (
            r"(?i:\b"
            + NAME
            + r")\\?[\"']?\s{0,3}(?:[:=]|=>)\s{0,3}\\?[\"']?((?!\$\d|\?|%s|None\b|null\b|true\b|false\b)[^\s\"'\\,;&}\])]{3,200})",
            0,
        ),
        (r"--(?:password|token|secret|api-key)[= ]([^\s]{3,})", re.IGNORECASE),
        (r"\b([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4})\b", 0),
        (r"(?<![\d.-])((?:\d[ -]?){13,16})(?![\d.-])", 0),
    )
)
CARD = len(PATTERNS) - 1


class Redactor:
    """Replaces secrets by numbered tokens; `count` is how many places were changed."""

    def __init__(self) -> None:
        self.count = 0
        self._tokens: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without its secrets; linear in its length."""
        for number, pattern in enumerate(PATTERNS):
            text = pattern.sub(self._replace_card if number == CARD else self._replace, text)
        return text

    def _replace_card(self, match: re.Match[str]) -> str:
        return self._replace(match) if _luhn(match[1]) else match[0]

    def _replace(self, match: re.Match[str]) -> str:
        secret = match[1] if match.lastindex and match[1] else match[0]
        if secret.startswith("<redacted:"):
            return match[0]
        self.count += 1
        token = self._tokens.setdefault(secret, f"<redacted:{len(self._tokens) + 1}>")
        return match[0].replace(secret, token)


def redact(text: str) -> tuple[str, int]:
    """The text without its secrets, and how many were taken out."""
    redactor = Redactor()
    return redactor.text(text), redactor.count


def redact_evidence(evidence: Evidence) -> Evidence:
    """The same evidence with every string redacted and the count noted."""
    redactor = Redactor()
    clean = _clean(evidence, redactor)
    return msgspec.structs.replace(clean, redacted=evidence.redacted + redactor.count)


def _clean(value: T, redactor: Redactor) -> T:
    cleaned: Any = value
    if isinstance(value, str):
        cleaned = redactor.text(value)
    elif isinstance(value, tuple):
        cleaned = tuple(_clean(one, redactor) for one in value)
    elif isinstance(value, msgspec.Struct):
        changed = {name: _clean(getattr(value, name), redactor) for name in value.__struct_fields__}
        cleaned = type(value)(**changed)
    return cleaned  # type: ignore[no-any-return]


def _luhn(digits: str) -> bool:
    """The checksum of card numbers."""
    numbers = [int(character) for character in digits if character.isdigit()]
    if not 13 <= len(numbers) <= 16:
        return False
    doubled = (sum(divmod(2 * number, 10)) for number in numbers[-2::-2])
    return (sum(numbers[-1::-2]) + sum(doubled)) % 10 == 0
