"""Does the model know a new fact, and nothing that is not so? Key terms, exact codes and values, invented things."""

from __future__ import annotations

import re
import unicodedata

from harness.suite import Output, Sample, Scores

KINDS = ("verbatim", "unseen", "reversed", "neighbour")
UNITS = {
    "milliseconds": "ms", "millisecond": "ms", "seconds": "s", "second": "s", "secs": "s", "sec": "s",
    "minutes": "min", "minute": "min", "mins": "min", "hours": "h", "hour": "h", "hrs": "h", "percent": "%",
    "metres": "m", "meters": "m", "metre": "m", "meter": "m", "kilometres": "km", "kilometers": "km",
}  # fmt: skip
NUMBER_AND_UNIT = re.compile(r"(?<=\d)\s+(%|(?:" + "|".join([*UNITS, *sorted(set(UNITS.values()) - {"%"})]) + r")\b)")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
CODE_OR_NUMBER = re.compile(r"\b[\w-]*\d[\w-]*")
SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
# A first sentence that matches says that the thing is unknown or does not exist: "no such code is listed", "I'm not
# familiar with", "there is nothing on record". Texts are normalized, so in lower case and with straight quotes.
KNOWN = r"(?:know|known|record|recorded|on record|list|listed|documented|found|find|exist|exists|aware|familiar|heard|happened|happen|taken place|take place)"
DECLINES = re.compile(
    "|".join(
        (
            r"\bthere (?:is|was|are|were) (?:no|nothing)\b",
            r"\bno such\b",
            rf"\b(?:no|nothing)\b(?: [\w'.-]+){{0,6}} (?:is|was|are|were|has been|have been) {KNOWN}\b",
            rf"\b(?:nothing|none) (?:is|was|on) {KNOWN}\b",
            r"\b(?:has|have|had|holds?|offers?|lists?|contains?) no (?:\w+ )?(?:feature|defect|event|entry|record|code|item|[a-z]{2}-)",
            r"\b(?:finds?|found|knows?|know of|known) (?:no|nothing)\b",
            r"\bno (?:known|knowledge)\b",
            rf"\b(?:not|never|n't)\b(?: [\w'.-]+){{0,4}} {KNOWN}\b",
            rf"n't(?: [\w'.-]+){{0,4}} {KNOWN}\b",
            r"\b(?:cannot|can't) (?:say|tell|answer|find)\b",
            r"\b(?:unknown|unaware)\b",
            r"\bnever (?:existed|happened|took place)\b",
        )
    )
)


def fact_recall(sample: Sample, output: Output) -> Scores:
    """Which of the wanted facts the answer says. Reads `completion`.

    The sample's target holds `kind`, `terms` (each "form|other form"), and an exact `code` and `value`, or None.

    - `verbatim`, `unseen`, `reversed`, `neighbour`: the one named like the question's kind is the share, in [0, 1], of
      terms, code and value that the answer says, each counted once. The question's own words prove no knowledge: what
      they already say does not count.
    - `exact`: 1.0 if the answer says code and value exactly (those that the question does not say), else 0.0.
    - `hallucinated`: for a question of the kind "invented" alone, about what does not exist. 1.0 if the answer asserts
      something, 0.0 if it declines or says nothing definite (see `is_confident`); the target then holds `asserts`.

    Scores that do not apply to the question are None. Both texts are normalized first.

    "Which valve fails with AF-300?" has the terms "valve" and "intake|inlet", the code AF-300 and the value "45 s". The
    question says valve and AF-300. Of the other two, "The inlet, after 50 seconds." says one: share 0.5, `exact` 0.0.
    """
    answer, question = normalized(str(output["completion"])), normalized(sample.prompt)
    target = sample.target
    scores: Scores = dict.fromkeys((*KINDS, "exact", "hallucinated"))
    if target["kind"] == "invented":
        scores["hallucinated"] = float(is_confident(answer, question, target["asserts"]))
        return scores
    exact = [fact for name in ("code", "value") if (fact := target[name]) and not says_exactly(question, fact)]
    said_exactly = [says_exactly(answer, fact) for fact in exact]
    terms = [term for term in target["terms"] if not says(question, term)]
    facts = [*said_exactly, *(says(answer, term) for term in terms)]
    scores[target["kind"]] = sum(facts) / len(facts) if facts else None
    scores["exact"] = float(all(said_exactly)) if exact else None
    return scores


def normalized(text: str) -> str:
    """The text in one spelling, so that equal facts compare equal.

    Unicode NFKC, lower case, straight quotes, no backticks, single spaces, no commas in thousands, and numbers joined
    to their units: "45 seconds" and "45 s" are "45s", "1,200 Metres" is "1200m".
    """
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("`", "")
    text = THOUSANDS.sub("", " ".join(text.split()))
    return NUMBER_AND_UNIT.sub(lambda match: UNITS.get(match[1], match[1]), text)


def says(text: str, term: str) -> bool:
    """Whether the normalized text has a form of the term ("form|other form") at the start of a word.

    "valve" is in "two valves"; "art" is not in "a cart".
    """
    forms = (normalized(form) for form in term.split("|"))
    return any(re.search(rf"(?<!\w){re.escape(form)}", text) for form in forms if form)


def says_exactly(text: str, fact: str) -> bool:
    """Whether the normalized text has the code or value as a whole: "5s" is not in "45s" or "1.5s"."""
    return re.search(_whole(normalized(fact)), text) is not None


def _whole(fact: str) -> str:
    """The pattern of a code or value that is no part of a longer one: "5s" is in neither "45s" nor "1.5s"."""
    return rf"(?<![\w-])(?<!\d\.){re.escape(fact)}(?![\w-]|\.\d)"


def is_confident(answer: str, question: str, asserts: list[str]) -> bool:
    """Whether a normalized answer about what does not exist asserts something, and does not begin by declining.

    It asserts something if it has a number or code that the question does not have, or one of `asserts`, strings that
    are typical of a made-up answer. Asked "What causes AF-900?":

    - "AF-900 is not listed." declines, and asserts nothing: False.
    - "AF-900 is not listed. Codes end at 500." declines in its first sentence: False, whatever follows.
    - "It is not listed; raise the limit to 8." asserts 8 in the same sentence, so it does not decline: True.
    - "I would ask the vendor." asserts nothing: False.
    """
    rest = answer  # without the question's codes and numbers
    for named in CODE_OR_NUMBER.findall(question):
        rest = re.sub(_whole(named), " ", rest)
    first = SENTENCE_END.split(rest.strip(), maxsplit=1)[0]
    if DECLINES.search(first) and not _asserts(first, asserts):
        return False
    return _asserts(rest, asserts)


def _asserts(text: str, asserts: list[str]) -> bool:
    """Whether the text has a digit or one of the strings; a string may end in a space, so the text gets one too."""
    return bool(re.search(r"\d", text)) or any(string.lower() in f"{text} " for string in asserts)
