"""Multiple choice: scores and floors worked out by hand, and answer keys that name one choice."""

import pytest

from harness import Sample
from harness.errors import SuiteError
from harness.scoring import answer_floors, choice_accuracy, multiple_choice, right_choice


def choice_sample(*choices, target=0, name="q"):
    return Sample(id=name, prompt="?", choices=choices, target=target)


def test_gold_logprob_is_the_right_choices_loglikelihood():
    output = {"loglikelihoods": [-9.5, -12.25, -8.0, -30.0], "acc": False, "acc_norm": True}
    scores = multiple_choice(choice_sample("a", "b", "c", "d", target=1), output)
    assert scores == {"acc": 0.0, "acc_norm": 1.0, "gold_logprob": -12.25}


def test_floors_are_those_counted_by_hand():
    samples = [
        choice_sample("long answer", "b", "c", "d", target=0, name="1"),  # longest right, first right
        choice_sample("a", "two", "six", "d", target=1, name="2"),        # one of two longest: a half
        choice_sample("a", "b", "c", "longest", target=2, name="3"),      # neither
        choice_sample("a", "b", target=0, name="4"),                      # one of two longest, first right; chance 1/2
    ]  # fmt: skip
    floors = answer_floors(samples)["acc_norm"]
    assert floors["chance"] == pytest.approx((0.25 * 3 + 0.5) / 4)
    assert floors["longest_answer"] == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
    assert floors["first_answer"] == pytest.approx(2 / 4)


def test_a_target_that_is_no_choice_is_refused():
    for target in (4, -1, "B", None):
        with pytest.raises(SuiteError, match="is no index of its 4 choices"):
            choice_sample("a", "b", "c", "d", target=target)


def test_the_right_choice_is_found_by_its_label():
    assert right_choice(["A", "B", "C"], " B ", "q1") == 1


@pytest.mark.parametrize(
    ("labels", "key", "found"), [(["A", "B"], "C", 0), (["A", "A"], "A", 2), (["A", "B"], "A,B", 0)]
)
def test_two_right_answers_or_none_are_refused(labels, key, found):
    with pytest.raises(SuiteError, match=rf"q1: the answer key .* names {found} of the choices"):
        right_choice(labels, key, "q1")


def test_accuracy_is_of_the_choice_that_was_likeliest_per_character():
    sample = Sample(id="q", choices=("yes", "no"), target=1)
    assert choice_accuracy(sample, {"chosen": 1, "loglikelihoods": [-1.0, -2.5]}) == {
        "accuracy": 1.0,
        "gold_logprob": -2.5,
    }
    assert choice_accuracy(sample, {"chosen": 0, "loglikelihoods": [-1.0, -2.5]})["accuracy"] == 0.0
