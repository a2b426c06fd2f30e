"""Tone of a text: how conversational it is, and which named features of style make it so.

A step from outputs to scores. The weights are in tone.json beside this file, where benchmarks/fit_tone.py wrote them;
scoring needs neither scikit-learn nor torch. Only style counts: no feature depends on a topic, and case, digits and
length have no weight.

In short: count features (`tally`), compare their rates with typical ones (`distances`), weigh and sum the distances to
log-odds (`explain`), turn these into a probability (`conversational`).
"""

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness.errors import DataError

POOLED_WORDS = 300  # with fewer words the formality score is not stable; Heylighen and Dewaele pool thousands

# Feature -> its words, complete lists. An underscore joins the two words of a phrase. A contraction counts as its first
# word too: "I've" as i.
LEXICON = {
    "first_person": "i me my mine myself im ive",
    "first_person_plural": "we us our ours ourselves lets",
    "second_person": "you your yours yourself yourselves u ur ya yall youre youve youll",
    "third_person": "he she him his her hers himself herself they them their theirs themselves its itself",
    "interjections": """oh ooh wow whoa hey hi hello yeah yep yup yes nah nope ok okay haha hahaha hehe lol lmao omg
        hmm hm um uh er ugh aw aww oops ouch thanks thank_you thx please pls sorry bye goodbye cheers sure welcome
        congratulations congrats absolutely exactly of_course damn gosh jeez hooray yay god btw idk imo tbh""",
    "feelings": """think thought guess love loved loves like liked likes hate hated want wanted wants hope hoping
        feel feels felt wish mean remember enjoy enjoyed enjoying wonder wondering mind care worry worried believe
        bet swear prefer know knew understand glad happy sad mad scared excited afraid tired angry proud nervous""",
    "hedges": """really very so pretty just maybe perhaps probably actually totally definitely literally basically
        honestly seriously obviously kinda sorta kind_of sort_of a_bit a_little a_lot lots quite super too anyway
        anyways though somehow even ever always never still already almost i_think i_guess you_know i_mean
        not_sure at_all or_something and_stuff""",
    "judgements": """good great nice cool awesome amazing fun funny weird crazy awful terrible horrible stupid silly
        lovely cute sweet favorite favourite perfect fantastic wonderful interesting boring annoying bad worse worst
        best better beautiful fine hard easy okay right wrong lucky fancy fair""",
    "vague_words": """thing things stuff something anything everything somebody anybody everybody someone anyone
        everyone nobody guy guys folks man dude buddy kid kids mom mum dad friend friends one ones way bunch""",
    "here_and_now": """today tomorrow tonight yesterday now here ago soon later this_morning this_week last_night
        right_now last_week next_week these_days""",
    "everyday_verbs": """get gets got getting gotten go goes going went gone come came coming let put tell told say
        talk talking talked look looking looked try tried trying wait need needs keep kept start started stop ask
        asked hear heard see saw seen watch watched watching gonna wanna gotta give gave make makes making happened
        have_to has_to had_to going_to tell_me let_me check eat play buy help figure_out turn""",
    "negations": "not never no none nothing dont cant wont didnt doesnt isnt wasnt couldnt wouldnt havent cannot",
    "definite_articles": "the",
    "indefinite_articles": "a an",
    "of_phrases": "of",
    "prepositions": """in by for from with at on as between among during within upon through under over against into
        per toward towards throughout across along beneath via""",
    "formal_connectives": """which whose whom wherein whereby whereas thus therefore hence however although moreover
        furthermore consequently respectively according including such_as both either neither latter former also
        several various certain each such typically generally usually primarily often approximately""",
    "definitions": """is_a is_an is_the are_the was_a was_an was_the were_the refers_to known_as defined_as
        consists_of located_in based_on used_for used_to used_in form_of type_of part_of group_of one_of member_of
        called born_in""",
    "formal_modals": "shall must may",
    "spoken_modals": "can could would should might will do does did",
    "clause_links": "because if when that what how why where who then but and or",
}
LOOSE_OPENERS = frozenset(
    ["and", "but", "so", "because", "then", "anyway", "well", "plus", "or", "like", "no", "now", "just", "did", "got"]
)
BE_FORMS = frozenset(["is", "are", "was", "were", "be", "been", "being"])
PARTICIPLES = frozenset(
    [
        "made",
        "known",
        "found",
        "given",
        "taken",
        "seen",
        "held",
        "built",
        "written",
        "born",
        "led",
        "set",
        "put",
        "won",
        "lost",
        "sold",
        "begun",
        "shown",
        "drawn",
        "driven",
        "grown",
        "kept",
        "left",
        "meant",
        "paid",
        "run",
        "sent",
        "spent",
        "taught",
        "thought",
        "understood",
        "worn",
        "woven",
        "brought",
        "bought",
        "caught",
        "chosen",
        "cut",
        "done",
        "felt",
        "fed",
        "fought",
        "forgotten",
        "hidden",
        "laid",
        "lit",
        "struck",
        "sung",
        "spoken",
    ]
)
NOMINAL_ENDING = re.compile(
    r"(?:tion|sion|ment|ness|ity|ism|ance|ence|ship|hood|ture|ency|ancy|logy|graphy|cracy|dom)s?$|ities$"
)
CONTRACTION = re.compile(r"(?:n't|'m|'re|'ve|'ll|'d)$|^(?:it|that|what|who|there|here|let|he|she|how|where|this)'s$")
BARE_CONTRACTIONS = frozenset(
    [
        "dont",
        "cant",
        "wont",
        "didnt",
        "doesnt",
        "isnt",
        "wasnt",
        "couldnt",
        "wouldnt",
        "shouldnt",
        "havent",
        "hasnt",
        "im",
        "ive",
        "youre",
        "youve",
        "youll",
        "thats",
        "theres",
        "theyre",
        "whats",
        "lets",
        "gonna",
        "wanna",
        "gotta",
        "kinda",
    ]
)
QUESTION_OPENING = re.compile(
    r"(?:what|who|how|why|where|when|which)(?:'s|'re|'d| is| are| was| were| do| does| did| can| could| would| will"
    r"| should| about| come| much| many| have| has)\b"
    r"|(?:do|does|did|are|is|was|were|can|could|would|will|shall|should|have|has|don't|didn't|aren't|isn't|can't)"
    r" (?:you|we|they|i|it|he|she|that|there|anyone|u)\b"
)
EMOTICON = re.compile(r"[:;]-?[)(dp](?!\w)|<3|[\U0001F600-\U0001F64F\U0001F900-\U0001F9FF]", re.IGNORECASE)
YEAR = re.compile(r"1\d{3}|20\d{2}")
WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?]+(?=[\s\"')\]]|$)|\n+")
MARKUP = re.compile(r"https?://\S+|```|[*_#`>|~]+|^\s*(?:[-•]|\d+[.)])\s+", re.MULTILINE)
QUOTED = re.compile(r'"[^"\n]{8,400}"')  # someone else's words; left out unless they are half of the text or more
TOKENISED_CLITIC = re.compile(r" (?='(?:s|m|re|ve|ll|d)\b)")  # WikiText writes "it 's"
ROMAN_NUMERAL_I = re.compile(  # "Elizabeth I" is not in the first person
    r"\b(War|Type|Phase|Class|Part|Volume|Book|Chapter|Division|Level|Stage|Henry|George|Elizabeth|Charles|James"
    r"|William|Francis|Louis|Richard|Nicholas|Alexander|Frederick|Napoleon|Leopold|Philip|Ferdinand|Otto|Pedro)"
    r" I\b(?!')"
)

# The classifier uses these features. nominal_style is the sum of three that measure the same thing. All other features
# are only reported: they are peculiar to a source, or were fitted with a sign that contradicts their meaning.
WEIGHED = (
    "first_person",
    "first_person_plural",
    "second_person",
    "questions",
    "exclamations",
    "contractions",
    "interjections",
    "feelings",
    "hedges",
    "judgements",
    "vague_words",
    "here_and_now",
    "everyday_verbs",
    "spoken_modals",
    "clause_links",
    "loose_openers",
    "nominal_style",
    "definite_articles",
    "indefinite_articles",
    "passives",
    "definitions",
    "mean_word_length",
)
NOMINAL_STYLE = ("nominal_suffixes", "of_phrases", "prepositions")


@cache
def parameters() -> dict:
    """The content of tone.json: weights, typical rates per 100 words, and the two numbers of the calibration."""
    return json.loads(Path(__file__).with_name("tone.json").read_text(encoding="utf-8"))


@cache
def _features_of_word() -> dict[str, tuple[str, ...]]:
    """Word (or phrase) -> the features that it counts for."""
    index: dict[str, tuple[str, ...]] = {}
    for feature, words in LEXICON.items():
        for word in words.split():
            index[word] = (*index.get(word, ()), feature)
    return index


def _plain(text: str) -> str:
    """The text with straight quotes, without markup and most quoted speech (see QUOTED), and with "sooo" as "so"."""
    text = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u02bc", "'").replace("`", "'")
    text = text.replace("\u201c", '"').replace("\u201d", '"').replace(" n't", "n't")
    text = TOKENISED_CLITIC.sub("", text)
    text = ROMAN_NUMERAL_I.sub(r"\1 1", MARKUP.sub(" ", text))
    unquoted = QUOTED.sub(" ", text)
    if 2 * len(unquoted) > len(text) and WORD.search(unquoted):
        text = unquoted
    return re.sub(r"([A-Za-z])\1{2,}", r"\1", text)


def _sentences(plain: str) -> list[tuple[list[str], str]]:
    """(words in lower case, closing mark) of each sentence that has words; the mark is "" or "\\n" if there is none."""
    sentences, start = [], 0
    for end in [*SENTENCE_END.finditer(plain), None]:
        stop = end.start() if end else len(plain)
        words = WORD.findall(plain[start:stop].lower())
        mark = end.group() if end else ""
        if words:
            sentences.append((words, mark))
        start = end.end() if end else stop
    return sentences


def tally(text: str) -> tuple[int, dict[str, float]]:
    """The number of words, and how often each feature occurs; for mean_word_length, the number of letters.

    Numbers count as words. Raises DataError if the text has no words: then it has no tone.
    """
    plain = _plain(text)
    sentences = _sentences(plain)
    total = sum(len(words) for words, _ in sentences)
    if not total:
        raise DataError(
            f"text has no words: {text[:60]!r} cannot be scored for tone.",
            "Leave such rows out and count them as empty.",
        )
    index = _features_of_word()
    counts = dict.fromkeys((*WEIGHED, *NOMINAL_STYLE, *LEXICON, "digits", "years"), 0)
    for words, mark in sentences:
        previous = ""
        for word in words:
            stem = word.split("'")[0]
            for feature in index.get(word) or index.get(stem, ()):
                counts[feature] += 1
            for feature in index.get(f"{previous}_{stem}", ()):
                counts[feature] += 1
            if word in BARE_CONTRACTIONS or ("'" in word and CONTRACTION.search(word)):
                counts["contractions"] += 1
                counts["negations"] += word.endswith("n't")
            if len(stem) > 5 and NOMINAL_ENDING.search(stem):
                counts["nominal_suffixes"] += 1
            if previous in BE_FORMS and (stem in PARTICIPLES or (len(stem) > 4 and stem.endswith("ed"))):
                counts["passives"] += 1
            if stem[0].isdigit():
                counts["digits"] += 1
                counts["years"] += bool(YEAR.fullmatch(stem))
            counts["mean_word_length"] += min(len(stem), 12)  # without spaces a whole sentence is one word
            previous = stem
        counts["questions"] += "?" in mark or bool(QUESTION_OPENING.match(" ".join(words[:3])))
        counts["exclamations"] += "!" in mark
        counts["loose_openers"] += words[0] in LOOSE_OPENERS
    counts["interjections"] += len(EMOTICON.findall(text))
    counts["nominal_style"] = sum(counts[feature] for feature in NOMINAL_STYLE)
    return total, counts  # type: ignore[return-value]


def features(text: str) -> dict[str, float]:
    """Feature -> occurrences per 100 words; mean_word_length is in letters, lowercase_start 0 or 1.

    Features that are not in WEIGHED inform the reader, and do not change the score. Quoted speech is left out, unless
    it is half of the text or more. Raises DataError for a text without words.
    """
    total, counts = tally(text)
    rates = {name: 100 * count / total for name, count in counts.items()}
    rates["mean_word_length"] /= 100
    first = re.search(r"[^\W\d_]", text)
    rates["lowercase_start"] = float(first is not None and first.group().islower())
    return rates


def distances(total: int, counts: dict[str, float], typical: dict[str, float], prior_words: float) -> list[float]:
    """For each feature in WEIGHED, how far its rate is from the typical one, both per 100 words.

    The rate is that of the text together with `prior_words` words of typical text, so that a short text stays near
    "undecided". With a typical rate of 2 and 10 prior words, one "wow" in 5 words is at (100 * 1 - 2 * 5) / (5 + 10) =
    6. The same text four times over is at (100 * 4 - 2 * 20) / (20 + 10) = 12: further out, on the same side.
    """
    return [(100 * counts[name] - typical[name] * total) / (total + prior_words) for name in WEIGHED]


def explain(text: str) -> list[tuple[str, float]]:
    """(feature, what it adds to the log-odds of being conversational), largest in size first.

    The sum over all features is the log-odds. Raises DataError for a text without words.
    """
    fitted = parameters()
    moved = distances(*tally(text), fitted["typical"], fitted["prior_words"])
    added = [
        (name, fitted["calibration_slope"] * fitted["weights"][name] * distance)
        for name, distance in zip(WEIGHED, moved)
    ]
    return sorted(added, key=lambda pair: -abs(pair[1]))


def conversational(text: str) -> float:
    """Calibrated probability, in [0, 1], that a text is conversational, not encyclopedic; near 0.5 it is undecided.

    Raises DataError for a text without words.
    """
    log_odds = sum(part for _, part in explain(text))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))  # within 30, so that exp cannot overflow


def pooled(texts: Sequence[str]) -> dict[str, float | None]:
    """Measures of many replies together: `words`, `formality`, `words_per_sentence`.

    The last two are None below POOLED_WORDS words, where they would be noise. Formality is (noun + adjective +
    preposition + article - pronoun - verb - adverb - interjection + 100) / 2, each in percent of the words (Heylighen
    and Dewaele 2002). `word_classes` only guesses the classes, so compare the score between texts scored here (chat 40
    to 50, encyclopedias 75), not with published tables.
    """
    sentences = [words for text in texts for words, _ in _sentences(_plain(text))]
    total = sum(len(words) for words in sentences)
    if total < POOLED_WORDS:
        return {"words": total, "formality": None, "words_per_sentence": None}
    share = dict.fromkeys(FORMALITY_SIGN, 0.0)
    for words in sentences:
        for previous, word in zip(["", *words], words):
            for name in word_classes(word, previous):
                share[name] = share.get(name, 0) + 100 / total
    formality = (sum(sign * share[name] for name, sign in FORMALITY_SIGN.items()) + 100) / 2
    return {"words": total, "formality": formality, "words_per_sentence": total / len(sentences)}


def word_classes(word: str, previous: str = "") -> list[str]:
    """The word's class as guessed; two classes for a contraction ("it's": pronoun and verb).

    The first rule that fits decides: the word is in a list of its class; it follows "to", a modal verb or a personal
    pronoun and so is a verb; it has the suffix of a class; else it is a noun. Adjectives without a suffix ("red") are
    counted as nouns, which have the same sign in the formality score.
    """
    stem, _, clitic = word.partition("'")
    if stem.endswith("n") and clitic == "t":
        return ["verb", "adverb"]
    verb = ["verb"] if clitic in ("m", "re", "ve", "ll", "d") or CONTRACTION.search(word) else []
    for name, members in WORD_CLASSES.items():
        if stem in members:
            return [name, *verb]
    if previous in VERB_ANNOUNCERS:
        return ["adverb" if stem.endswith("ly") else "verb"]
    if len(stem) > 4:
        for name, endings in CLASS_ENDINGS.items():
            if stem.endswith(endings):
                return [name, *verb]
    return ["other" if stem[0].isdigit() else "noun", *verb]


FORMALITY_SIGN = {
    "noun": 1,
    "adjective": 1,
    "preposition": 1,
    "article": 1,
    "pronoun": -1,
    "verb": -1,
    "adverb": -1,
    "interjection": -1,
}
WORD_CLASSES = {
    name: frozenset(words.split())
    for name, words in {
        "article": "a an the",
        "pronoun": """i me my mine myself we us our ours ourselves you your yours yourself u he him his himself she her hers
        herself it its itself they them their theirs themselves who whom whose what this that these those someone
        something anyone anything everyone everything nobody nothing somebody anybody everybody one im ive youre""",
        "preposition": LEXICON["prepositions"]
        + " of to about after before around above below behind beside off out near",
        "interjection": LEXICON["interjections"],
        "verb": """is are was were be been being am has have had having do does did done doing will would can could shall
        should may might must cannot dont cant wont didnt isnt get got go goes went gone come came make made take took
        know knew think thought see saw seen say said tell told give gave find found want like love need feel felt let
        put keep kept try mean hope guess wait look ask hear heard left lost met ran run began became become held""",
        "adverb": """not very so too also just then there here now never always often still already even ever again almost
        quite really maybe perhaps soon later yet however therefore thus well away back how when where why only far""",
        "other": """and or but nor if because than as while although though whether since until all both each every some any
        no""",
    }.items()
}
VERB_ANNOUNCERS = frozenset(
    [
        "to",
        "i",
        "we",
        "you",
        "they",
        "he",
        "she",
        "can",
        "could",
        "will",
        "would",
        "shall",
        "should",
        "may",
        "might",
        "must",
        "don't",
    ]
)
CLASS_ENDINGS = {
    "adverb": ("ly",),
    "verb": ("ing", "ed"),
    "adjective": ("ous", "ful", "able", "ible", "ical", "ive", "less", "ish", "ary"),
}
