"""Whether a model answers at all: finite numbers, some words, no loops; and answers without words."""

import pytest

from harness import Sample
from harness.scoring import fitness, tone_of_answer
from harness.scoring.service import runs_in_circles


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("no no no no", True),
        ("No no NO no way", True),
        ("no no no", False),
        ("well, on and on and on and on and", True),
        ("one two three four " * 4, True),
        ("one two three four " * 3, False),
        ("one two three four five " * 4, False),  # longer than the longest unit
        ("", False),
        ("The Danube flows through ten countries, more than any other river.", False),
    ],
)
def test_a_loop_is_up_to_four_words_four_times_in_a_row(text, loops):
    assert runs_in_circles(text) is loops


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (1, 1, 1)),
        ({"finite_weights": False}, (0, 1, 1)),
        ({"finite_logits": False}, (0, 1, 1)),
        ({"sampled": False}, (0, 1, 1)),
        ({"completion": " \n"}, (1, 0, 1)),
        ({"completion": "so so so so"}, (1, 1, 0)),
    ],
)
def test_fitness_names_what_is_wrong(change, expected):
    sound = {"finite_weights": True, "finite_logits": True, "sampled": True, "completion": "A river.",
             "largest_activation": 9.5}  # fmt: skip
    scores = fitness(Sample(id="p"), sound | change)
    assert (scores["finite"], scores["nonempty"], scores["no_loop"]) == expected


def test_of_a_dtype_that_does_not_fit_nothing_is_known():
    found = fitness(Sample(id="s", prompt="?"), {"fits": False})
    assert set(found) == {"finite", "nonempty", "no_loop", "largest_activation"}
    assert set(found.values()) == {None}


def test_an_answer_without_words_has_no_tone_and_is_counted():
    silent = tone_of_answer(Sample(id="p"), {"completion": "..."})
    assert (silent["conversational"], silent["wordless"]) == (0.5, 1.0)
    told = tone_of_answer(Sample(id="p"), {"completion": "Haha, I love that!"})
    assert told["conversational"] > 0.5
    assert (told["words"], told["wordless"]) == (4.0, 0.0)
