"""Where rows are, as declared: what a declaration may say, and what it comes to at each scale."""

import pytest

from harness import Dataset, Embedded, Files, Hub, Mix
from harness.errors import DataError

FACTS = Dataset(name="facts", mini=Embedded("facts", text="statement"), full=Files("facts.jsonl", text="statement"))
STORIES = Dataset(name="stories", mini=Embedded("stories", text="text"), full=Files("stories.jsonl", text="text"))


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: Files("a.jsonl", prompt="{q}"), "a.jsonl: prompt and completion go together."),
        (lambda: Hub("org/name", completion="{a}"), "org/name:train: prompt and completion go together."),
        (
            lambda: Embedded("facts", text="statement", prompt="{q}", completion="{a}"),
            "embedded facts: text and prompt exclude each other.",
        ),
        (lambda: FACTS.rows(0), "dataset facts: 0 rows at full scale; ask for at least one."),
        (lambda: FACTS.rows(5, mini=-1), "dataset facts: -1 rows at mini scale; ask for at least one."),
        (lambda: FACTS.share(0), "dataset facts: share 0 is not above 0 and at most 1."),
        (lambda: FACTS.share(1.5), "dataset facts: share 1.5 is not above 0 and at most 1."),
        (lambda: Mix(), "Mix: no datasets."),
        (lambda: Mix(FACTS.share(0.5), STORIES), "Mix: some parts have a share and some have rows; use one kind."),
        (lambda: Mix(FACTS.share(0.5), STORIES.share(0.4)), "Mix: shares 0.5, 0.4 sum to 0.9, not 1."),
    ],
)
def test_a_declaration_that_cannot_mean_anything_is_told(declare, told):
    with pytest.raises(DataError) as error:
        declare()
    assert error.value.problem == told


def test_a_scale_that_is_not_declared_is_told_with_those_that_are():
    with pytest.raises(DataError, match=r"dataset facts has no small source \(it has: tiny, mini, full\)") as error:
        FACTS.source("small")
    assert error.value.remedy == "Declare Dataset(small=...), or choose another --scale."
    assert FACTS.source("full") == Files("facts.jsonl", text="statement")


def test_one_name_stands_for_a_list_of_one():
    source = Files("a.jsonl", require="statement", keep="citation")
    assert (source.require, source.keep) == (("statement",), ("citation",))


def test_a_hub_dataset_has_a_file_that_stands_for_it():
    assert Hub("org/name", split="test").local == "org/name/test.jsonl"
    assert Hub("org/name", file="mine.jsonl").local == "mine.jsonl"


def test_held_out_rows_begin_beyond_those_trained_on_at_each_scale():
    held_out = FACTS.rows(100, mini=10).held_out(20, mini=5)
    assert held_out.skip == {"full": 100, "small": None, "mini": 10, "tiny": 10}
    assert held_out.count == {"full": 20, "small": None, "mini": 5, "tiny": 5}
    again = held_out.held_out(1, mini=1)
    assert again.skip == {"full": 120, "small": None, "mini": 15, "tiny": 15}


def test_held_out_rows_of_a_dataset_kept_apart_begin_at_its_first():
    apart = Dataset(name="apart", mini=FACTS.mini, full=Files("apart.jsonl", text="statement"))
    assert FACTS.rows(100, mini=10).held_out(20, mini=5, of=apart).skip == {"small": None, "mini": 10, "tiny": 10}


def test_tiny_reads_what_mini_reads_unless_it_declares_its_own():
    own = Embedded("stories", text="text")
    assert FACTS.source("tiny") == FACTS.source("mini")
    assert Dataset(name="own", mini=FACTS.mini, tiny=own).source("tiny") == own
    assert FACTS.rows(9, mini=5).count["tiny"] == 5
    assert FACTS.rows(9, mini=5, tiny=2).count == {"full": 9, "small": None, "mini": 5, "tiny": 2}
    train, _ = Mix(FACTS).split(3, mini=2, tiny=1)
    assert train.divided.count["tiny"] == 1


def test_both_sides_of_a_mix_are_of_the_same_parts_and_file():
    mix = Mix(FACTS.rows(6), STORIES.rows(4), file="both.json")
    train, held_out = mix.split(2, mini=1)
    assert (train.divided.side, held_out.divided.side) == ("train", "held_out")
    assert train.parts == held_out.parts == mix.parts
    assert train.file == held_out.file == "both.json"
    assert mix.divided is None


def test_the_published_rows_of_a_mix_are_known_where_every_part_says_how_many():
    assert Mix(FACTS.rows(6), STORIES.rows(4)).published_rows() == 10
    assert Mix(FACTS.rows(6), STORIES).published_rows() is None


def test_a_mix_says_how_many_rows_of_each_dataset_it_takes():
    facts, talk = Dataset(name="facts", mini=Embedded("facts")), Dataset(name="talk", mini=Embedded("instructions"))
    assert Mix(facts.rows(mini=80), talk).declared("mini") == {"facts": 80, "talk": "all"}
    assert Mix(facts.share(0.25), talk.share(0.75)).declared("full") == {
        "facts": "0.25 of the mix",
        "talk": "0.75 of the mix",
    }
    assert Mix(facts.rows(mini=80), facts.rows(mini=20)).declared("mini") == {"facts": "80 and 20"}
    train, _ = Mix(facts).split(100, mini=10)
    assert train.declared("mini") == {"facts": "all", "held out of them": 10}


def test_rows_that_are_added_are_declared_beside_a_mix_s_own():
    added = (
        Mix(FACTS.rows(6, mini=6)).take(4),
        Mix(FACTS.rows(9, mini=9)),
        Mix(STORIES).take(per_group=1),
        STORIES.rows(2, mini=2),
    )
    mix = Mix(FACTS.rows(20, mini=20)).split(5, mini=5)[0].add(*added[:2]).add(*added[2:])
    assert mix.declared("mini") == {
        "facts": 20, "held out of them": 5, "facts, added": "4 and 9", "stories, added": "a part and 2",
    }  # fmt: skip
    assert mix.declared_rows("mini") is None
    assert Mix(FACTS.rows(20)).split(5)[0].add(*added[:2]).declared_rows("full") == 15 + 4 + 9


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: Mix(FACTS).add("facts"), "Mix.add: 'facts' is no Mix, Rows or Dataset."),
        (lambda: Mix(FACTS).add(STORIES).take(3), "take(): other rows are added to this mix."),
        (lambda: Mix(FACTS).add(STORIES).split(3), "a mix is split once, and before take() and add()"),
    ],
)
def test_what_cannot_be_added_or_done_after_it_is_told(declare, told):
    with pytest.raises(DataError) as error:
        declare()
    assert error.value.problem.startswith(told)
