"""Errors as a user reads them: the kind, the problem, and on a line of its own what to do."""

import pickle

import pytest

from harness import Architecture, Claim, Dataset, Embedded, Finetune, Lora, Mix, Recipe, Suite, Variant, errors
from harness.errors import DataError, HarnessError, RecipeError, SuiteError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarnessError)]


def test_an_error_says_its_kind_the_problem_and_what_to_do():
    error = DataError("rows.jsonl:2: not JSON.", "Mend the line.")
    assert str(error) == "rows.jsonl:2: not JSON.\n    Mend the line."
    assert error.message == "DataError: rows.jsonl:2: not JSON.\n    Mend the line."
    assert (error.problem, error.remedy) == ("rows.jsonl:2: not JSON.", "Mend the line.")


def test_an_error_without_a_remedy_is_one_line():
    error = DataError("rows.jsonl is empty.")
    assert error.message == "DataError: rows.jsonl is empty."
    assert error.remedy == ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_harness_error_with_a_sentence_on_what_it_is(kind):
    error = kind("What is wrong.", "What to do.")
    assert isinstance(error, HarnessError)
    assert error.message.startswith(f"{kind.__name__}: What is wrong.")
    assert kind.__doc__.strip().endswith(".")


def test_kinds_are_told_apart():
    assert len(KINDS) > 10
    assert all(kind.__base__ is HarnessError for kind in KINDS if kind is not HarnessError)


def test_an_error_comes_whole_from_another_process():
    sent = DataError("rows.jsonl is empty.", "Fill it.")
    error = pickle.loads(pickle.dumps(sent))
    assert (error.problem, error.remedy, error.message) == (sent.problem, sent.remedy, sent.message)


# ---- declared values ----------------------------------------------------------------------------------

ROWS = Dataset(name="rows", mini=Embedded("facts"))
STAGE = {"data": Mix(ROWS), "learning_rate": 1e-3, "epochs": 1, "effective_batch_size": 4}


@pytest.mark.parametrize(
    ("declare", "kind", "said"),
    [
        (lambda: Finetune(**STAGE | {"learning_rate": "1e-3"}), RecipeError, "Finetune: learning_rate is the str '1e-3', and has to be a number."),
        (lambda: Finetune(**STAGE | {"epochs": True}), RecipeError, "Finetune: epochs is the bool True, and has to be a number."),
        (lambda: Finetune(**STAGE | {"effective_batch_size": 4.0}), RecipeError, "effective_batch_size is the float 4.0, and has to be a whole number."),
        (lambda: Finetune(**STAGE, adapter=16), RecipeError, "Finetune: adapter is the int 16, and has to be a Lora."),
        (lambda: Finetune(**STAGE, betas=(0.9, "b")), RecipeError, "and has to be a list of 2, each item a number."),
        (lambda: Finetune(**STAGE, betas=(0.9,)), RecipeError, "betas is the tuple (0.9,), and has to be a list of 2,"),
        (lambda: Finetune(**STAGE, schedule="cosinus"), RecipeError, "Finetune: schedule 'cosinus' is none of cosine, linear, constant."),
        (lambda: Finetune(**STAGE | {"data": ROWS}), RecipeError, "Finetune: data is the Dataset 'rows', and has to be a Mix."),
        (lambda: Finetune(**STAGE, held_out=ROWS.rows(3)), RecipeError, "Finetune: held_out is the Rows 'rows', and has to be a Mix."),
        (lambda: Finetune(**STAGE | {"data": "rows"}), RecipeError, "Finetune: data is the str 'rows', and has to be a Mix."),
        (lambda: Lora(rank="16"), RecipeError, "Lora: rank is the str '16', and has to be a whole number."),
        (lambda: Variant("mini", base=7, scale="mini"), RecipeError, "Variant 'mini': base is the int 7, and has to be a text or a Subject or"),
        (lambda: Variant("mini", base=Recipe(name="r", variants=[Variant("a", base="m", scale="mini")]), scale="mini"), RecipeError, "base is the recipe 'r', and has to be one of its variants."),
        (lambda: Recipe(name="r", variants=[], claims=Claim("tone", "x", above=0)), RecipeError, "and has to be a list, each item a Claim."),
        (lambda: Claim("tone", "x", above="0"), RecipeError, "Claim: above is the str '0', and has to be a number."),
        (lambda: Dataset(name="rows", mini="rows.jsonl"), DataError, "and has to be an Embedded or a Files or a Hub."),
        (lambda: Suite(name="s", scorer=len, asks=["generate"]), SuiteError, "Suite 's': asks is the list ['generate'], and has to be a list,"),
        (lambda: Architecture(hidden_size="64", layers=1, heads=1, key_value_heads=1, intermediate_size=8, vocabulary_size=9, context_length=8), RecipeError, "hidden_size is the str '64'"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_named_with_its_field(declare, kind, said):
    with pytest.raises(kind) as error:
        declare()
    assert said in error.value.problem


def test_a_whole_number_is_a_number_and_lists_stand_for_tuples():
    stage = Finetune(**STAGE | {"learning_rate": 1}, betas=[0.9, 0.95])
    assert Recipe(name="r", stages=[stage], variants=[Variant("mini", base="org/model", scale="mini")]).stages == (
        stage,
    )
