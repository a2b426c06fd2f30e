"""Tone: named features worked out by hand, and probabilities on texts no weight was fitted to."""

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.scoring import tone

LABELLED = Path(tone.__file__).parents[1] / "data/mini/tone_labelled.jsonl"

CHAT = [
    "Nope.",
    "Me too!",
    "what do you think",
    "lol that's so true",
    "I can't find my keys again.",
    "You should totally come with us on Friday!",
    "my dog ate the remote again, can you believe it",
    "Paris, I think? It's the one with the big tower, anyway.",
    "Certainly! Here are three little things you can try tonight, and let me know how it goes.",
    "AITA for refusing to let my sister stay after she broke my TV? She says family comes first, but I can't afford "
    "another one, and honestly I'm still pretty mad about it. My boyfriend thinks that I should just let it go.",
    "Gosh, if only we could find Kat a boyfriend... You're asking me out? That's so cute. What's your name again? No, "
    "no, it's my fault, we didn't have a proper introduction. I've seen you around though. You sit in the back and you "
    "never say anything, and then you get an A, and everybody hates you for it. I don't, by the way.",
]
REFERENCE = [
    "Paris is the capital of France.",
    "The mitochondrion is an organelle.",
    "Heavy rain is expected on Saturday.",
    "the band released their third album in 2004",
    "Water boils at 100 degrees Celsius at sea level.",
    "Use of this software is subject to the terms of the license.",
    "In this paper we propose a new method for training neural networks.",
    "Insert the card into the slot and press the button until the light turns green.",
    "World War I began in 1914 and ended in 1918, after the collapse of several empires.",
    "The dog is a domesticated descendant of the wolf. It was the first species to be domesticated by humans, and has "
    "been bred over millennia for various behaviours, sensory capabilities and physical attributes.",
    "The president signed the bill into law on Friday. The legislation provides funding for the repair of bridges and "
    "tunnels and was approved by both chambers earlier in the week. Critics of the measure argued that the cost was "
    "not covered by new revenue, while industry associations described it as overdue. The first grants are to be "
    "awarded in the autumn, according to the department of transport.",
]


def held_out_rows():
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if hashlib.sha256(row["id"].encode()).digest()[0] % 2 == 0]


def auc(positive, negative):
    return sum((p > n) + (p == n) / 2 for p in positive for n in negative) / len(positive) / len(negative)


def test_features_are_rates_per_hundred_words():
    found = tone.features("I don't know. Do you like the nation of Spain?")  # 3 + 7 words
    assert found["first_person"] == 10  # I
    assert found["second_person"] == 10  # you
    assert found["contractions"] == 10  # don't
    assert found["negations"] == 10  # don't
    assert found["questions"] == 10  # one of two sentences, in ten words
    assert found["feelings"] == 20  # know, like
    assert found["nominal_suffixes"] == 10  # nation
    assert found["of_phrases"] == 10
    assert found["nominal_style"] == 20  # nation, of
    assert found["definite_articles"] == 10
    assert found["exclamations"] == found["digits"] == found["lowercase_start"] == 0
    assert found["mean_word_length"] == pytest.approx((1 + 3 + 4 + 2 + 3 + 4 + 3 + 6 + 2 + 5) / 10)


def test_interjections_passives_and_years_are_counted():
    found = tone.features("oh wow, it was built in 1893 :)")  # 7 words
    assert found["interjections"] == pytest.approx(300 / 7)  # oh, wow, :)
    assert found["passives"] == found["years"] == found["digits"] == pytest.approx(100 / 7)
    assert found["lowercase_start"] == 1


def test_a_question_needs_no_question_mark():
    assert tone.features("do you like it")["questions"] == tone.features("Do you like it?")["questions"] == 25


@pytest.mark.parametrize(
    "text",
    [
        "It’s fine, I don’t mind",
        "**It's** fine, I don't mind",
        "- It's fine, I don't mind",
        "it 's fine, I do n't mind",
    ],
)
def test_apostrophes_markdown_and_tokenised_text_score_alike(text):
    assert tone.conversational(text) == pytest.approx(tone.conversational("It's fine, I don't mind"))


def test_a_quotation_in_reference_prose_does_not_speak_for_it():
    told = "The minister resigned on Monday after a long dispute over the budget."
    quoted = told[:-1] + ", adding “I’m so sorry, you know.”"
    assert tone.features(quoted)["first_person"] == 0
    assert tone.conversational(quoted) < 0.5 < tone.conversational("“I’m so sorry, you know,” he said.")


def test_case_and_the_last_mark_do_not_move_the_score():
    for text in REFERENCE[:6]:
        bare = text.lower().rstrip(".")
        assert tone.conversational(bare) == pytest.approx(tone.conversational(text)), text


@pytest.mark.parametrize("text", CHAT)
def test_chat_of_any_length_is_conversational(text):
    assert tone.conversational(text) > 0.5


@pytest.mark.parametrize("text", REFERENCE)
def test_reference_prose_of_any_length_is_not_conversational(text):
    assert tone.conversational(text) < 0.5


def test_held_out_texts_are_told_apart_with_honest_probabilities():
    scored = [(tone.conversational(row["text"]), row["label"] == "conversational") for row in held_out_rows()]
    spoken, written = [p for p, kind in scored if kind], [p for p, kind in scored if not kind]
    assert auc(spoken, written) > 0.98
    bins = [[pair for pair in scored if min(int(pair[0] * 10), 9) == number] for number in range(10)]
    assert sum(abs(sum(p - kind for p, kind in members)) for members in bins) / len(scored) < 0.10


def test_short_texts_are_told_apart_as_long_ones_are():
    rows = held_out_rows()
    for low, high in ((1, 12), (80, 999)):
        scored = {
            kind: [
                tone.conversational(r["text"])
                for r in rows
                if r["label"] == kind and low <= len(r["text"].split()) <= high
            ]
            for kind in ("conversational", "encyclopedic")
        }
        assert min(map(len, scored.values())) >= 15
        assert auc(scored["conversational"], scored["encyclopedic"]) > 0.97


@pytest.mark.parametrize("text", CHAT[2:6] + REFERENCE[:6])
def test_repeating_a_text_only_moves_it_further_to_its_own_side(text):
    text = text.rstrip(".!") + "."
    once, often = tone.conversational(text), tone.conversational(" ".join([text] * 40))
    assert (once > 0.5) == (often > 0.5)
    assert abs(often - 0.5) >= abs(once - 0.5)


def test_the_first_sentences_of_a_long_text_keep_its_side():
    rows = [row for row in held_out_rows() if len(row["text"].split()) >= 80]
    kept = [
        (tone.conversational(" ".join(row["text"].split()[:20])) > 0.5) == (row["label"] == "conversational")
        for row in rows
    ]
    assert sum(kept) / len(kept) > 0.85


def test_broken_text_gives_no_certainty():
    for text in ("asdf qwer zxcv", "42", "the park. The park. the to the", "你好", "=== ??? a"):
        assert 0.1 < tone.conversational(text) < 0.9, text


def test_explanation_sums_to_the_log_odds_largest_first():
    parts = tone.explain("Well, I love it!")
    probability = tone.conversational("Well, I love it!")
    assert sum(part for _, part in parts) == pytest.approx(math.log(probability / (1 - probability)))
    assert [abs(part) for _, part in parts] == sorted((abs(part) for _, part in parts), reverse=True)
    assert {name for name, _ in parts} == set(tone.WEIGHED) <= set(tone.features("Well, I love it!"))


@pytest.mark.parametrize("text", ["", "  \n", "?!", "---"])
def test_a_text_without_words_is_an_error_and_no_score(text):
    for score in (tone.conversational, tone.features, tone.explain):
        with pytest.raises(DataError, match="text has no words"):
            score(text)


def test_formality_is_never_given_for_a_few_words():
    sentence = "the old house of my friend is very quietly falling down"  # 11 words
    assert tone.pooled([sentence] * 27) == {"words": 297, "formality": None, "words_per_sentence": None}
    assert tone.pooled([]) == {"words": 0, "formality": None, "words_per_sentence": None}
    found = tone.pooled([sentence] * 28)
    assert found["words"] == 308
    assert found["words_per_sentence"] == 11
    # article the; nouns old (guessed), house, friend, down (guessed); preposition of; pronoun my; verbs is, falling;
    # adverbs very, quietly
    assert found["formality"] == pytest.approx((100 + 100 * (1 + 4 + 1 - 1 - 2 - 2) / 11) / 2)


def test_reference_prose_is_more_formal_than_chat():
    pools = {
        kind: tone.pooled([row["text"] for row in held_out_rows() if row["label"] == kind])["formality"]
        for kind in ("conversational", "encyclopedic")
    }
    assert pools["conversational"] < 55 < 65 < pools["encyclopedic"]


def test_scoring_loads_neither_scikit_learn_nor_torch():
    code = (
        "import sys; from harness.scoring.tone import conversational; conversational('Hello there'); "
        "print([name for name in ('sklearn', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=LABELLED.parents[3])
    assert done.stdout.strip() == "[]", done.stderr


def test_parameters_carry_their_validation_figures():
    fitted = json.loads(Path(tone.__file__).with_name("tone.json").read_text(encoding="utf-8"))
    assert set(fitted["weights"]) == set(fitted["typical"]) == set(tone.WEIGHED)
    unseen = fitted["validation"]["left_out_sources"]
    assert unseen["overall"]["auc"] > 0.95
    assert unseen["overall"]["calibration_error"] < 0.03
    assert len(unseen["by_length"]) == 5
