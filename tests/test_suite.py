"""Suites as values: what can be declared, and what cannot."""

import math
from dataclasses import replace
from functools import partial

import pytest

from harness import (
    Choices,
    Claim,
    Dataset,
    Embedded,
    Generate,
    Guard,
    LmEval,
    LmEvalTask,
    Mean,
    Mix,
    Overlap,
    Parity,
    Perplexity,
    Probe,
    Recipe,
    Retrieve,
    Sample,
    Suite,
    Target,
    Variant,
)
from harness.data.sources import SCALES
from harness.errors import SuiteError

PROMPTS = Dataset(name="prompts", mini=Embedded("tone_prompts"))


def suite(**changed):
    given = {
        "name": "look",
        "dataset": PROMPTS,
        "to_sample": lambda row: Sample(id=row["id"], prompt=row["prompt"]),
        "scorer": lambda sample, output: {"x": 0.0},
    }
    return Suite(**{**given, **changed})


def test_a_suite_asks_for_a_completion_unless_it_says_otherwise():
    assert suite().asks == (Generate(),)
    assert suite().needs_model


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "two words"}, "letters, digits"),
        ({"asks": ()}, "nothing is asked"),
        ({"dataset": None}, "one is missing"),
        ({"to_sample": None}, "one is missing"),
        ({"asks": [Overlap(), Generate()]}, "stands alone"),
        ({"asks": [Probe(dtypes=("float31",))]}, "dtypes is .*each item one of float32, bfloat16, float16"),
        ({"asks": [Parity(forms=["nf8"])]}, "forms is .*each item one of bfloat16, int8, nf4"),
        ({"asks": [Parity(forms=())]}, "forms is empty"),
        ({"asks": [Parity(forms=("int8", "nf4", "int8"))]}, "forms holds int8 twice"),
        ({"asks": [Probe(max_new_tokens=0)]}, "max_new_tokens is 0, and has to be at least 1"),
        ({"asks": [Parity(max_new_tokens="9")]}, "max_new_tokens is the str '9', and has to be a whole number"),
        ({"asks": [Perplexity(chat="no")]}, "chat is the str 'no', and has to be True or False"),
        ({"asks": [Overlap(n=0)]}, "n is 0, and has to be at least 1"),
        ({"asks": [LmEvalTask("arc_easy", num_fewshot=-1)]}, "num_fewshot is -1, and has to be at least 0"),
        ({"asks": [LmEval(task=3)]}, "task is the int 3, and has to be a text"),
        ({"guards": [Guard("x", may_fall=0.1), Guard("x", may_rise=0.1)]}, "guarded twice"),
        ({"metrics": [Mean("y")], "guards": [Guard("x", may_fall=0.1)]}, "its metrics are y"),
    ],
)
def test_what_cannot_be_measured_is_an_error_where_it_is_declared(changed, message):
    with pytest.raises(SuiteError, match=message):
        suite(**changed)


def test_a_misspelt_field_is_an_error():
    with pytest.raises(TypeError, match="promt"):
        Sample(id="a", promt="?")


def test_the_answer_to_a_choice_is_the_right_one_and_the_whole_is_question_and_answer():
    sample = Sample(id="a", prompt="Two and two?", choices=["3", "4"], target=1)
    assert (sample.answer, sample.whole) == ("4", "Two and two? 4")
    assert (Sample(id="b", prompt="?", target="four").answer, Sample(id="c", target=["x"]).answer) == ("four", "")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": 3}, "sample 3: its id is the int 3, and not a text"),
        ({"id": None}, "sample None: its id is the NoneType None"),
        ({"id": "a", "cluster": 7}, "sample 'a': its cluster is the int 7"),
        ({"id": "a", "prompt": ["b"]}, r"sample 'a': its prompt is the list \['b'\]"),
    ],
)
def test_what_is_no_text_is_an_error_before_anything_is_asked(fields, message):
    with pytest.raises(SuiteError, match=message):
        Sample(**fields)


TURN = {"role": "user", "content": "Name a bird."}


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([TURN, {"role": "assistant", "content": "An owl."}], "its messages end with a turn of the assistant"),
        ([{"role": "tool", "content": "x"}, TURN], "turn 1 of its messages is {'role': 'tool'"),
        ([TURN, {"role": "user", "content": None}], "turn 2 of its messages is"),
        (["Name a bird."], "turn 1 of its messages is 'Name a bird.'"),
    ],
)
def test_a_conversation_that_no_answer_can_follow_is_an_error(messages, message):
    with pytest.raises(SuiteError, match=message):
        Sample(id="a", messages=messages)


def test_a_prompt_beside_messages_is_an_error_and_a_copy_is_none():
    with pytest.raises(SuiteError, match="sample a: it has a prompt and messages"):
        Sample(id="a", prompt="Name a tree.", messages=[TURN])
    assert replace(Sample(id="a", messages=[TURN]), id="b").prompt == "user: Name a bird."


@pytest.mark.parametrize("target", [2, -1, "4", None])
def test_a_target_that_is_no_index_of_its_choices_is_an_error(target):
    with pytest.raises(SuiteError, match="no index of its 2 choices"):
        Sample(id="a", choices=("3", "4"), target=target)


def test_copies_are_the_dtypes_or_forms_in_which_samples_are_asked():
    assert suite(asks=[Probe(dtypes=("float32", "float16"))]).copies == ("float32", "float16")
    assert suite(asks=[Parity(forms=("nf4",))]).copies == ("nf4",)
    assert suite(asks=[Choices(), Perplexity()]).copies == ()


def test_only_what_is_known_of_training_needs_no_model():
    assert not suite(asks=[Overlap()]).needs_model


def test_a_scorer_is_a_function_or_a_partial_one():
    class Callable:
        def __call__(self, sample, output):
            return {}

    assert suite(scorer=partial(lambda sample, output, k: {}, k=3)).name == "look"
    with pytest.raises(SuiteError, match="suite look: scorer is .*, not a function"):
        suite(scorer=Callable())
    with pytest.raises(SuiteError, match="Suite 'look': to_sample is the str 'id', and has to be a function"):
        suite(to_sample="id")


def test_what_training_must_not_contain_of_a_conversation_is_its_words_without_roles():
    turns = [TURN, {"role": "assistant", "content": "An owl."}, {"role": "user", "content": "Another."}]
    sample = Sample(id="a", messages=turns, choices=["A kite.", "A tree."], target=0)
    assert sample.text == "Name a bird.\nAn owl.\nAnother."
    assert sample.whole == "Name a bird.\nAn owl.\nAnother. A kite."


# ---- tokens by scale ----------------------------------------------------------------------------------


def test_a_scale_without_tokens_of_its_own_has_those_of_a_whole_answer():
    ask = Generate(max_new_tokens=512, mini=32)
    assert {scale: ask.at(scale).max_new_tokens for scale in SCALES} == {
        "tiny": 32,
        "mini": 32,
        "small": 512,
        "full": 512,
    }
    assert Generate(max_new_tokens=512, mini=32, tiny=8).at("tiny").max_new_tokens == 8


def test_a_suite_that_asks_the_same_at_every_scale_is_itself():
    whole, cut = suite(asks=[Generate(max_new_tokens=8)]), suite(asks=[Generate(max_new_tokens=8, mini=4)])
    assert whole.at("mini") is whole
    assert cut.at("full") is cut
    assert cut.at("mini").asks == (Generate(max_new_tokens=4),)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0; ask for at least one token"),
        ({"mini": -1}, "mini is -1; ask for at least one token"),
        ({"max_new_tokens": "64"}, "max_new_tokens is the str '64', and has to be a whole number"),
        ({"temperature": -0.1}, "temperature is -0.1, and has to be a number from 0 on"),
        ({"temperature": math.nan}, "temperature is nan, and has to be a number from 0 on"),
    ],
)
def test_a_length_that_is_none_is_refused(given, said):
    with pytest.raises(SuiteError, match=said):
        Generate(**given)


def test_a_recipe_s_own_choice_of_suites_and_passages_leave_out_what_cannot_be_asked():
    data = Mix(Dataset(name="facts", mini=Embedded("facts")))
    variants = [Variant("mini", base="org/model", scale="mini")]
    found = Recipe(name="found", stages=[Retrieve(data=data)], variants=variants)["mini"]
    assert suite().concerns(found)
    assert suite(asks=[Perplexity(chat=True), Choices()]).concerns(found)
    for ask in (Perplexity(), Probe(), Parity(), LmEval("arc_easy")):
        assert not suite(asks=[ask]).concerns(found)
    other = Recipe(name="other", variants=variants, suites=["elsewhere"])["mini"]
    assert not suite().concerns(other)
    assert suite(name="elsewhere").concerns(other)


def test_a_suite_for_those_that_claim_something_of_it_measures_no_others():
    variants = [Variant("mini", base="org/model", scale="mini")]
    one = suite(name="own", only_if_claimed=True)
    claims = [Claim("own", "score", above=0.5)]
    targets = [Target("tone", "score", at_least=0.5, together_with=["own"])]
    assert not one.concerns(Recipe(name="plain", variants=variants)["mini"])
    assert not one.concerns(Recipe(name="other", variants=variants, claims=[Claim("tone", "score", above=0.5)])["mini"])
    assert one.concerns(Recipe(name="claims", variants=variants, claims=claims)["mini"])
    assert one.concerns(Recipe(name="aims", variants=variants, targets=targets)["mini"])
    assert one.concerns(Recipe(name="named", variants=variants, suites=["own"])["mini"])
