"""In which language a text is, by the library py3langid."""

from __future__ import annotations

from functools import cache
from typing import Any

from harness.data.building.extra import check_extra

SURE = 0.9  # probability from which another language is believed: of a short text it may be guessed wrong


@cache
def _identifier() -> Any:
    check_extra("py3langid", "tell the language of a text")
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def other_language(text: str, source: str) -> bool:
    """Whether a text is, by a probability of 0.9, in another language than its source is."""
    language_found, sure = _identifier().classify(text)
    return bool(sure >= SURE and language_found != language(source))


@cache
def language(source: str) -> str:
    """The likeliest language of a text, by its code."""
    return str(_identifier().classify(source)[0])
