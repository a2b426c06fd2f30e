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
from harness.data.building.written.language import language, other_language
from harness.errors import HarnessError
from harness.files import Json

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
CODE = re.compile(r"\d.*[^\W\d]|[^\W\d].*\d|_|@|[a-z]{3,}\.[a-z]{3,}")
TOKEN = re.compile(r"\w(?:[\w.:/@+-]*\w)?")
OPENING = "\"'“”„‘’«»‹›(¿¡"
# Where a sentence does: a capital letter there tells nothing.
BEGINS = re.compile(rf"(?:^|[.!?:;][{OPENING})\]]*\s+|\n)[{OPENING}]*")
ASKS = re.compile(
    r"[?？؟]|^(?:compare|define|describe|discuss|explain|give|list|name|outline|state|summari[sz]e)\b", re.I
)
OF_SOURCE = re.compile(
    r"\b(?:the|this) (?:\w+ )?(?:abstract|paper|article|study|passage(?! of)|text|work|publication(?! bias)|manuscript|document)\b"
    r"|\bauthors?\b",
    re.I,
)
OF_AUTHORS = re.compile(r"\b(?:we|our|ours|us)\b", re.I)
SENTENCE = re.compile(r"[.!?]\s+")
REFUSES = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) (?:sorry|unable|not able)\b|\bi can(?:no|')t\b|^sorry\b"
    r"|\bnot (?:mentioned|provided|stated|specified|given)(?: (?:in|by) (?:the|this) \w+)?\.?$",
    re.I,
)
DENIES = re.compile(r"\b(?:not|no|never|none|neither|nor|without|cannot)\b|n['’]t\b", re.I)
UNIT = (
    r"%|percent|ms|milliseconds?|s|secs?|seconds?|mins?|minutes?|hours?|days?|weeks?|months?|years?|[kmgt]i?b|bytes?|km|cm|mm|kg|"
    r"met(?:er|re)s?|kilomet(?:er|re)s?|miles?|grams?|kilograms?|tons?|degrees?|thousand|million|billion|dollars?|euros?|pounds?"
)
AMOUNT = re.compile(rf"(?P<before>[$€£¥]?)\s?(?P<number>\d+(?:[.,]\d+)*)[\s-]?(?P<unit>(?:{UNIT})\b|%)?", re.I)
SPELLED = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
]  # fmt: skip
ON_TOPIC = 0.5  # share of a question's content words that its source must have
SMALL = 3  # letters; shorter words say nothing of a text
KEY_TERM = 80  # letters, of a value of the fact's row that its text holds
OF_FACT = 0.5  # share of a phrasing's content words that its fact must have
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
    asked, told = content(question), content(answer)
    source = content(item.whole) | told_numbers(item.whole)
    reasons = (
        (bool(REFUSES.search(answer)), "does not answer"),
        (not ASKS.search(question), "asks nothing"),
        (bool(OF_SOURCE.search(both) or OF_AUTHORS.search(answer)), "speaks of its source"),
        (not limits.min_words <= words <= limits.max_words, "too short or too long"),
        (other_language(both, item.text), "in another language"),
        (_repeats(answer), "repeats itself"),
        (told <= asked, "says no more than its question"),
        (not said_numbers(both) <= told_numbers(item.whole), "a number that its source lacks"),
        (not _named(both, item.whole), "a name that its source lacks"),
        (len(asked & source) < ON_TOPIC * len(asked), "asks about something else"),
        (len((told - asked) & source) < limits.grounded * len(told - asked), "too little of it is in its source"),
    )
    return next((why for wrong, why in reasons if wrong), None)


def why_no_phrasing(phrasing: Json, item: Item, limits: Limits) -> str | None:
    """Why a phrasing of a fact is left out; None if it is kept."""
    text, fact = phrasing["text"], item.text
    words, of_fact, told = len(WORD.findall(text)), len(WORD.findall(fact)), content(text)
    lost = not said_numbers(fact) <= told_numbers(text) or not all(_holds(text, code) for code in codes(fact))
    more = {*map(str.lower, codes(text))} - {*map(str.lower, codes(item.whole))}
    reasons = (
        (bool(REFUSES.search(text)) and not REFUSES.search(fact), "does not answer"),
        (plain(fact) in plain(text), "the same words"),
        (not of_fact / RATIO <= words <= of_fact * RATIO, "too short or too long"),
        (lost or not amounts(fact) <= amounts(text), "a code or number of the fact is lost"),
        (
            not _named(fact, text) or not all(_holds(text, term) for term in key_terms(item)),
            "a name or key term of the fact is lost",
        ),
        (not said_numbers(text) <= told_numbers(item.whole) or bool(more), "adds a code or number"),
        (not amounts(text) <= amounts(item.whole), "adds a code or number"),
        (not _named(text, item.whole), "adds a name"),
        (bool(DENIES.search(text)) != bool(DENIES.search(fact)), "denies what its fact says, or says what it denies"),
        (len(told & content(item.whole)) < OF_FACT * len(told), "too little of it is in its fact"),
        (other_language(text, fact), "in another language"),
    )
    return next((why for wrong, why in reasons if wrong), None)


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
    """The numbers of a text in digits; 1,000 is 1000."""
    return frozenset(_number(one) for one in NUMBER.findall(text))


def told_numbers(text: str) -> frozenset[str]:
    """The same, and the small ones in words."""
    return numbers(text) | {str(SPELLED.index(word)) for word in WORD.findall(text.lower()) if word in SPELLED}


def said_numbers(text: str) -> frozenset[str]:
    """The same without "one", which is a pronoun as well."""
    return numbers(text) | (told_numbers(text) - {"1"})


def amounts(text: str) -> frozenset[tuple[str, str, str]]:
    """Numbers with their currency or unit, those that have one."""
    found = AMOUNT.finditer(text)
    return frozenset(
        (one["before"], _number(one["number"]), _stem((one["unit"] or "").lower().replace("percent", "%")))
        for one in found
        if one["before"] or one["unit"]
    )


def names(text: str) -> frozenset[str]:
    """The stems of words with a capital letter, and of abbreviations.

    The first word of a sentence is one if it is no stopword and another such word, or 's, follows.
    """
    begins = {found.end() for found in BEGINS.finditer(text)}
    found = set[str]()
    for one in WORD.finditer(text):
        word, after = one[0], text[one.end() : one.end() + 3]
        if len(word) < 2 or not any(letter.isupper() for letter in word):
            continue
        followed = after[:2] in ("'s", "’s") or (after[:1] == " " and after[1:2].isupper())
        if one.start() not in begins or _inner(word) or (followed and word.lower() not in _stopwords()):
            found.add(_stem(word.lower()))
    return frozenset(found)


def codes(text: str) -> frozenset[str]:
    """Codes and identifiers: AF-3001, session.lock_timeout, 45s."""
    return frozenset(one for one in TOKEN.findall(text) if CODE.search(one))


def key_terms(item: Item) -> frozenset[str]:
    """Values of the fact's row that its text holds as they are: its subject, its object."""
    values = (value.strip() for value in item.row.values() if isinstance(value, str))
    return frozenset(value for value in values if 1 < len(value) <= KEY_TERM and _holds(item.text, value))


def _repeats(text: str) -> bool:
    sentences = [plain(one) for one in SENTENCE.split(text)]
    return len(set(sentences)) < len(sentences)


def _named(text: str, source: str) -> bool:
    """Whether the source has every name of a text. In German, which writes all nouns so, and inflects them, it is not asked."""
    return language(source) == "de" or names(text) <= stems(source)


def _inner(word: str) -> bool:
    return any(letter.isupper() for letter in word[1:])


def _number(digits: str) -> str:
    return digits.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits) else digits


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
