"""Which of what a model wrote is left out, and for what reason.

A pair is kept if its answer is taken from the text: most of its words (by stem, as Porter's algorithm gives it), and all
numbers and names of both. A phrasing is kept if it has every number, code, name and key term of its fact, and no others.
These are rules of surface: they drop some that are right, and a wrong sentence made of the text's own words passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.data.building.written.items import Item
from harness.data.building.written.language import other_language
from harness.errors import HarnessError
from harness.files import Json

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
TOKEN = re.compile(r"\w(?:[\w.:/@+-]*\w)?")
BEGINS = re.compile(r"(?:^|[.!?:;]\s+|\n)[\"'“(]*")  # where a sentence does: the capital letter after it tells nothing
ASKS = re.compile(
    r"[?？]|^(?:compare|define|describe|discuss|explain|give|list|name|outline|state|summari[sz]e)\b", re.I
)
OF_SOURCE = re.compile(
    r"\b(?:the|this) (?:\w+ )?(?:abstract|paper|article|study|passage|text|authors?|work|publication)\b|\bauthors?\b",
    re.I,
)
SENTENCE = re.compile(r"[.!?]\s+")
REFUSES = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) (?:sorry|unable|not able)\b|\bi can(?:no|')t\b|^sorry\b|\bnot (?:mentioned|provided|stated|specified)\b",
    re.I,
)
SPELLED = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
]  # fmt: skip
ON_TOPIC = 0.5  # share of a question's content words that its source must have
SMALL = 3  # letters; shorter words say nothing of a text
KEY_TERM = 80  # letters, of a value of the fact's row that its text holds
RATIO = 2.5  # a phrasing is at most so many times as long as its fact, or as much shorter


@dataclass(frozen=True)
class Limits:
    """What is asked of a pair or a phrasing."""

    min_words: int = 5  # of an answer
    max_words: int = 150
    grounded: float = 0.6  # share of an answer's content words that its text or its question has

    def __post_init__(self) -> None:
        if not 1 <= self.min_words <= self.max_words:
            raise HarnessError(
                f"--min-words {self.min_words}, --max-words {self.max_words}: no answer has both.", "Give 5 and 150."
            )
        if not 0 <= self.grounded <= 1:
            raise HarnessError(f"--grounded {self.grounded}: a share is from 0 to 1.", "Give 0.6.")


def why_no_pair(pair: Json, item: Item, limits: Limits) -> str | None:
    """Why a pair of question and answer is left out; None if it is kept."""
    question, answer = pair["question"], pair["answer"]
    words, both = len(WORD.findall(answer)), f"{question}\n{answer}"
    if REFUSES.search(answer):
        return "does not answer"
    if not ASKS.search(question):
        return "asks nothing"
    if OF_SOURCE.search(both):
        return "speaks of its source"
    if not limits.min_words <= words <= limits.max_words:
        return "too short or too long"
    if other_language(both, item.text):
        return "in another language"
    if _repeats(answer):
        return "repeats itself"
    asked, told = content(question), content(answer)
    source = content(item.whole) | told_numbers(item.whole)
    if told <= asked:
        return "says no more than its question"
    if not numbers(both) <= told_numbers(item.whole):
        return "a number that its source lacks"
    if not names(both) <= stems(item.whole):
        return "a name that its source lacks"
    if len(asked & source) < ON_TOPIC * len(asked):
        return "asks about something else"
    if len((told - asked) & source) < limits.grounded * len(told - asked):
        return "too little of it is in its source"
    return None


def why_no_phrasing(phrasing: Json, item: Item, limits: Limits) -> str | None:
    """Why a phrasing of a fact is left out; None if it is kept."""
    text = phrasing["text"]
    words, of_fact = len(WORD.findall(text)), len(WORD.findall(item.text))
    if REFUSES.search(text) and not REFUSES.search(item.text):
        return "does not answer"
    if plain(item.text) in plain(text):
        return "the same words"
    if not of_fact / RATIO <= words <= of_fact * RATIO:
        return "too short or too long"
    if not all(_holds(text, code) for code in codes(item.text)) or not numbers(item.text) <= told_numbers(text):
        return "a code or number of the fact is lost"
    if not names(item.text) <= stems(text) or not all(_holds(text, term) for term in key_terms(item)):
        return "a name or key term of the fact is lost"
    if not (
        numbers(text) <= numbers(item.text) and {*map(str.lower, codes(text))} <= {*map(str.lower, codes(item.text))}
    ):
        return "adds a code or number"
    if not names(text) <= stems(item.text):
        return "adds a name"
    if other_language(text, item.text):
        return "in another language"
    return None


# ---- what a text holds ------------------------------------------------------------------------------


def plain(text: str) -> str:
    """The text's words in lower case, without punctuation: what tells two apart."""
    return " ".join(WORD.findall(text.lower()))


def stems(text: str) -> frozenset[str]:
    """The stems of all words of a text."""
    return frozenset(_stem(word) for word in WORD.findall(text.lower()))


def content(text: str) -> frozenset[str]:
    """The stems of words that carry meaning, no stopwords, of three letters at least; and the numbers."""
    words = (word for word in WORD.findall(text.lower()) if len(word) >= SMALL and not word.isdigit())
    return frozenset(_stem(word) for word in words if word not in _stopwords()) | numbers(text)


def numbers(text: str) -> frozenset[str]:
    """The numbers of a text in digits; 1,000 is 1000, and 0.50 is 0.5."""
    return frozenset(_number(one) for one in NUMBER.findall(text))


def told_numbers(text: str) -> frozenset[str]:
    """The same, and the small ones in words."""
    return numbers(text) | {str(SPELLED.index(word)) for word in WORD.findall(text.lower()) if word in SPELLED}


def names(text: str) -> frozenset[str]:
    """The stems of words with a capital letter that is not the first of a sentence, and of abbreviations."""
    begins = {found.end() for found in BEGINS.finditer(text)}
    found = (one for one in WORD.finditer(text) if any(letter.isupper() for letter in one[0]) and len(one[0]) > 1)
    return frozenset(_stem(one[0].lower()) for one in found if one.start() not in begins or _inner(one[0]))


def codes(text: str) -> frozenset[str]:
    """Codes, identifiers and quantities: AF-3001, session.lock_timeout, 45s."""
    found = TOKEN.findall(text)
    return frozenset(one for one in found if any(map(str.isdigit, one)) or "_" in one or re.search(r"\w[.:/@]\w", one))


def key_terms(item: Item) -> frozenset[str]:
    """Values of the fact's row that its text holds as they are: its subject, its object."""
    values = (value.strip() for value in item.row.values() if isinstance(value, str))
    return frozenset(value for value in values if 1 < len(value) <= KEY_TERM and _holds(item.text, value))


def _repeats(text: str) -> bool:
    sentences = [plain(one) for one in SENTENCE.split(text)]
    return len(set(sentences)) < len(sentences)


def _inner(word: str) -> bool:
    return any(letter.isupper() for letter in word[1:])


def _number(digits: str) -> str:
    whole = digits.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits) else digits
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def _holds(text: str, part: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text, re.IGNORECASE) is not None


@cache
def _stopwords() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN_PLUS

    return frozenset(STOPWORDS_EN_PLUS)


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer  # of rouge-score

    return PorterStemmer()


@cache
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


def alike(one: Iterable[str], other: Iterable[str], share: float) -> bool:
    """Whether two texts share so many of the words that either has (the Jaccard index)."""
    left, right = set(one), set(other)
    return len(left & right) >= share * len(left | right)
