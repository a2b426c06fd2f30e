"""Why a checkpoint is missing: the nearest stored one, and the fields in which it differs."""

import dataclasses
import json

import pytest

from harness import Lora
from harness.files import short
from harness.fingerprint.nearest import Difference, nearest, shown, why_missing
from tests.fingerprint.stages import FINETUNE, PRETRAIN, keys_of, subject


def finetuned(name="alpha", **changes):
    return keys_of().last(subject([dataclasses.replace(FINETUNE, **changes)], name, base="org/model"))


def stored(*planned):
    """Specs as a store holds them."""
    return {one.key: json.loads(json.dumps(one.spec)) for one in planned}


WANTED = finetuned()


def test_the_nearest_checkpoint_is_the_one_that_differs_in_the_fewest_fields():
    near, far = finetuned(learning_rate=1e-4), finetuned(learning_rate=1e-4, epochs=2, adapter=Lora(rank=8))
    found = nearest(WANTED, stored(far, near))
    assert found.key == near.key
    assert found.differs == (Difference("settings.learning_rate", 1e-4, 2e-4),)


def test_only_checkpoints_of_the_same_kind_are_near_and_never_itself():
    pretrained = keys_of().last(subject([PRETRAIN]))
    assert nearest(WANTED, stored(pretrained, WANTED)) is None
    assert nearest(WANTED, {}) is None


def test_what_differs_is_said_in_words():
    near = finetuned(learning_rate=1e-4)
    assert why_missing(WANTED, stored(near)) == (
        f"The nearest, {short(near.key)}, differs in settings.learning_rate: 0.0001 there, 0.0002 here."
    )


def test_of_many_differences_four_are_named():
    changes = {"learning_rate": 1e-4, "epochs": 2, "effective_batch_size": 8, "max_length": 64, "weight_decay": 0.1}
    words = why_missing(WANTED, stored(finetuned(**changes)))  # the micro batch is the sixth
    assert words.count(" there, ") == 4
    assert words.endswith(" and 2 more.")


def test_a_store_without_any_of_the_kind_is_told():
    assert why_missing(WANTED, {}) == (
        "The store holds no finetune checkpoint at all. Run without --no-train to make it."
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("a" * 64, "a" * 8), ("a" * 31, "a" * 31), ("be " * 20, "be " * 20), (None, "None"), (2e-4, "0.0002")],
)
def test_a_digest_is_shown_by_its_first_characters(value, text):
    assert shown(value) == text
