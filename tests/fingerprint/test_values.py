"""Values as JSON types, one text and one digest; what differs between two; and values back from JSON."""

import hashlib
import json
from dataclasses import dataclass, field

import pytest

from harness import Architecture, Lora, Mean
from harness.fingerprint.values import canonical, digest, fields_of, plain, rebuilt


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...]
    name: str | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner
    rates: tuple[Inner, ...] = ()
    about: str = field(default="", compare=False)


def test_the_digest_is_sha256_of_sorted_json():
    text = '{"a":[1,"\u00e9"],"b":null}'
    assert canonical({"b": None, "a": (1, "\u00e9")}) == text
    assert digest({"b": None, "a": (1, "\u00e9")}) == hashlib.sha256(text.encode()).hexdigest()


def test_a_lone_surrogate_has_a_digest_too():
    assert digest("\ud800") != digest("\ud801")


def test_a_value_without_a_fixed_text_is_refused():
    with pytest.raises(TypeError, match="function cannot be fingerprinted"):
        plain({"scorer": lambda row: row})


def test_a_set_has_one_order():
    assert plain({"b", "a", "c"}) == ["a", "b", "c"]


def test_a_dataclass_is_told_apart_by_its_type_and_by_what_counts():
    fields = {"rank": 8, "alpha": 16, "dropout": 0.0, "target_modules": None, "modules_to_save": []}
    fields |= {"use_rslora": False, "use_dora": False}
    assert plain(Lora(rank=8)) == {"is": "Lora", **fields}
    assert fields_of(Lora(rank=8)) == fields
    one, other = Outer(Inner((1,)), about="this"), Outer(Inner((1,)), about="that")
    assert digest(one) == digest(other), "a field that is not compared is no part of the value"


def test_what_was_written_is_rebuilt_as_it_was():
    value = Outer(Inner((1, 2), "a"), (Inner((), None), Inner((3,))))
    assert rebuilt(json.loads(canonical(value)), {"Outer": Outer, "Inner": Inner}) == value
    shape = Architecture(
        hidden_size=8, layers=1, heads=1, key_value_heads=1, intermediate_size=8, vocabulary_size=9, context_length=4
    )
    assert rebuilt(plain(shape), {"Architecture": Architecture}) == shape
    assert rebuilt(plain({"free": [1, {"x": None}]}), {}) == {"free": (1, {"x": None})}


def test_a_kind_that_is_not_expected_is_not_rebuilt():
    with pytest.raises(KeyError, match="Mean"):
        rebuilt(plain(Mean("x")), {"Outer": Outer})
