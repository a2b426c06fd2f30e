"""Is a new fact known, and only that: key terms, exact codes and values, and questions about what does not exist."""

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
    """Share of what was asked for that the answer says, under the name of the question's kind.

    The sample's target says `kind`, `terms` (each "form|other form"), and the exact `code` and `value`, or None.
    Each of these counts once; what the question itself names is no knowledge and does not count. Both texts are
    normalized first: see `normalized`. `exact` is 1.0 where code and value are all there. A question about what
    does not exist gives `hallucinated`: 1.0 for an answer that asserts something, unless it declines.
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
    """Unicode NFKC, lower case, straight quotes, single spaces, numbers without thousands commas and joined with
    their unit ("45 seconds" is "45s", "30 minutes" is "30min")."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("`", "")
    text = THOUSANDS.sub("", " ".join(text.split()))
    return NUMBER_AND_UNIT.sub(lambda found: UNITS.get(found[1], found[1]), text)


def says(text: str, term: str) -> bool:
    """Whether one form of the term ("form|other form") begins at the start of a word of the normalized text."""
    forms = (normalized(form) for form in term.split("|"))
    return any(re.search(rf"(?<!\w){re.escape(form)}", text) for form in forms if form)


def says_exactly(text: str, fact: str) -> bool:
    """Whether the code or value stands whole in the normalized text: "5s" is not in "45s", nor AF-300 in AF-3001."""
    return re.search(rf"(?<![\w-])(?<!\d\.){re.escape(normalized(fact))}(?![\w-]|\.\d)", text) is not None


def is_confident(answer: str, question: str, asserts: list[str]) -> bool:
    """Whether a normalized answer about what does not exist asserts something, and does not begin by declining.

    It asserts where it holds a number or code that the question does not, or a string typical of a made-up answer.
    A first sentence that declines must itself assert nothing: "It is not listed; raise the limit to 8" declines
    nothing.
    """
    own = answer
    for named in CODE_OR_NUMBER.findall(question):
        own = own.replace(named, " ")
    first = SENTENCE_END.split(own.strip(), maxsplit=1)[0]
    if DECLINES.search(first) and not _asserts(first, asserts):
        return False
    return _asserts(own, asserts)


def _asserts(text: str, asserts: list[str]) -> bool:
    return bool(re.search(r"\d", text)) or any(string.lower() in f"{text} " for string in asserts)
