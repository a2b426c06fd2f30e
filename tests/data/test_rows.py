"""Declared rows as they are read: picked by content, each text once, mixed, held out; whole groups on one side."""

import json

import pytest

from harness import Dataset, Embedded, Files, Hub, Mix
from harness.data.reading.formats import row_text
from harness.data.reading.rows import Access, load
from harness.errors import DataError
from tests.row_files import write

SOURCE = {"prompt": "{question}", "completion": "{answer}"}


def dataset(name="rows.jsonl", **reads):
    return Dataset(name="d", mini=Files(name, **reads))


def texts(wanted, folder, **access):
    return [row_text(row) for row in load(wanted, Access("mini", folder, **access)).rows]


def questions(papers):
    return [
        {
            "question": f"What says {paper} in part {i}?",
            "answer": f"It says {i}.",
            "paper": paper,
            "citation": f"{paper} 1999",
        }
        for paper, size in papers.items()
        for i in range(size)
    ]


# ---- choosing -----------------------------------------------------------------------------------------


def test_rows_are_picked_by_content_not_by_file_order(tmp_path):
    rows = [{"text": f"row {i}"} for i in range(50)]
    write(tmp_path / "rows.jsonl", rows)
    write(tmp_path / "turned.jsonl", rows[::-1])
    first = texts(dataset().rows(mini=10), tmp_path)
    assert first == texts(dataset("turned.jsonl").rows(mini=10), tmp_path)
    assert first == texts(dataset(), tmp_path)[:10]
    assert first != [row["text"] for row in rows[:10]]


def test_held_out_rows_lie_beyond_those_trained_on(tmp_path):
    write(tmp_path / "rows.jsonl", [{"text": f"row {i}"} for i in range(50)])
    trained = dataset().rows(mini=30)
    held_out = trained.held_out(1, mini=20)
    assert sorted(texts(trained, tmp_path) + texts(held_out, tmp_path)) == sorted(texts(dataset(), tmp_path))
    with pytest.raises(DataError, match=r"21 rows are asked for beyond the first 30, and rows\.jsonl has 50"):
        texts(trained.held_out(1, mini=21), tmp_path)


def test_the_same_text_twice_counts_once_and_is_listed(tmp_path):
    write(tmp_path / "rows.jsonl", [{"text": "one"}, {"text": "two"}, {"text": "one"}])
    loaded = load(dataset(), Access("mini", tmp_path))
    assert len(loaded.rows) == 2
    assert loaded.left_out == ["rows.jsonl:3: the same text as rows.jsonl:1"]


def test_only_require_and_min_chars_choose_rows(tmp_path):
    rows = [{"text": "long enough", "split": "train"}, {"text": "short", "split": "train"},
            {"text": "long enough too", "split": "test"}, {"text": "long, no tag", "split": "train", "tag": None}]  # fmt: skip
    write(tmp_path / "rows.jsonl", rows[:3])
    assert texts(dataset(only={"split": "train"}, min_chars=6), tmp_path) == ["long enough"]
    write(tmp_path / "rows.jsonl", [rows[0] | {"tag": "x"}, rows[3]])
    loaded = load(dataset(require="tag"), Access("mini", tmp_path))
    assert [row["text"] for row in loaded.rows] == ["long enough"]
    assert loaded.left_out == ['rows.jsonl:2: "tag" is null, and d requires it']


def test_shares_are_of_characters_and_the_scarcer_part_sets_the_sum(tmp_path):
    write(tmp_path / "rows.jsonl", [{"text": f"{i:010}"} for i in range(8)])  # 80 characters
    write(tmp_path / "long.jsonl", [{"text": f"{i:020}"} for i in range(100, 110)])  # 200 characters
    mixed = load(Mix(dataset().share(0.5), dataset("long.jsonl").share(0.5)), Access("mini", tmp_path)).rows
    assert sorted(len(row["text"]) for row in mixed) == [10] * 8 + [20] * 4  # 80 characters of each


def test_a_mix_is_drawn_together_and_knows_where_each_row_came_from(tmp_path):
    write(tmp_path / "a.jsonl", [{"text": f"a {i}"} for i in range(20)])
    write(tmp_path / "b.jsonl", [{"text": f"b {i}"} for i in range(20)])
    parts = Dataset(name="a", mini=Files("a.jsonl")), Dataset(name="b", mini=Files("b.jsonl"))
    rows = load(Mix(*parts), Access("mini", tmp_path)).rows
    sources = [row["source"] for row in rows]
    assert (sources.count("a"), sources.count("b")) == (20, 20)
    assert sources != sorted(sources)
    assert all(row["origin"].startswith(f"{row['source']}.jsonl:") for row in rows)


def test_nothing_falls_through_to_another_scale_or_corpus():
    with pytest.raises(DataError, match=r"dataset d has no full source \(it has: tiny, mini\)"):
        load(dataset(), Access("full"))
    with pytest.raises(DataError, match=r"no embedded corpus 'fact' \(known: .*facts"):
        load(Dataset(name="d", mini=Embedded("fact")), Access("mini"))
    with pytest.raises(DataError, match="0 rows at mini scale"):
        dataset().rows(mini=0)


# ---- where rows lie -----------------------------------------------------------------------------------


def test_a_missing_file_is_told_with_where_to_put_it(tmp_path):
    with pytest.raises(DataError, match=r"rows\.jsonl does not exist") as error:
        texts(dataset(), tmp_path)
    assert error.value.remedy == "Put rows.jsonl below --data-root."
    with pytest.raises(DataError, match="no data root is given"):
        texts(dataset(), None)


def test_a_hub_dataset_is_read_from_its_file_below_the_data_root(tmp_path):
    (tmp_path / "org/name").mkdir(parents=True)
    write(tmp_path / "org/name/test.jsonl", [{"text": "one"}])
    assert texts(Dataset(name="d", mini=Hub("org/name", split="test")), tmp_path) == ["one"]


def test_a_published_mix_is_read_from_its_one_file_where_the_user_has_it(tmp_path):
    parts = [Dataset(name=name, full=Files(f"{name}.jsonl")) for name in ("facts", "passages")]
    mix = Mix(parts[0].rows(2), parts[1].rows(1), file="knowledge.json")
    for name in ("facts", "passages"):
        write(tmp_path / f"{name}.jsonl", [{"instruction": f"{name} {i}", "output": "yes"} for i in range(4)])
    assert {row["source"] for row in load(mix, Access("full", tmp_path)).rows} == {"facts", "passages"}
    rows = [{"instruction": f"whole {i}", "input": "", "output": "yes"} for i in range(3)]
    (tmp_path / "knowledge.json").write_text(json.dumps(rows))
    whole = load(mix, Access("full", tmp_path)).rows
    assert {row["source"] for row in whole} == {"knowledge"}
    assert len(whole) == 3


def test_bad_rows_stop_the_reading_with_file_and_line_or_are_listed(tmp_path):
    write(tmp_path / "rows.jsonl", [{"text": "one"}, {"text": ""}, {"words": "two"}, {"text": "three"}])
    with pytest.raises(DataError, match=r'rows\.jsonl:2: "text" is empty') as error:
        texts(dataset(), tmp_path)
    assert "--skip-bad-rows" in error.value.remedy
    loaded = load(dataset(), Access("mini", tmp_path, skip_bad_rows=True))
    assert sorted(row["text"] for row in loaded.rows) == ["one", "three"]
    assert [told.split(":")[1] for told in loaded.left_out] == ["2", "3"]


# ---- groups, objects in a list ------------------------------------------------------------------------


def test_no_group_stands_on_both_sides_and_order_does_not_matter(tmp_path):
    rows = questions({f"paper-{i}": 1 + i % 5 for i in range(40)})
    dataset = Dataset(name="qa", small=Files("qa.jsonl", **SOURCE, group="paper", keep="citation"))
    train, held_out = Mix(dataset.rows(small=len(rows))).split(1, small=12)
    sides = []
    for order in (rows, rows[::-1]):
        write(tmp_path / "qa.jsonl", order)
        access = Access("small", tmp_path)
        sides.append(
            [{(r["group"], r["messages"][0]["content"]) for r in load(mix, access).rows} for mix in (train, held_out)]
        )
    assert sides[0] == sides[1]
    ours, kept = sides[0]
    assert (len(ours), len(kept)) == (len(rows) - 12, 12)
    assert not {group for group, _ in ours} & {group for group, _ in kept}


def test_a_row_keeps_its_citation(tmp_path):
    write(tmp_path / "qa.jsonl", questions({"deng2013": 2}))
    dataset = Dataset(name="qa", small=Files("qa.jsonl", **SOURCE, group="paper", keep=("citation",)))
    assert {row["citation"] for row in load(dataset, Access("small", tmp_path)).rows} == {"deng2013 1999"}


def test_a_row_without_its_group_is_named(tmp_path):
    write(tmp_path / "qa.jsonl", [{"question": "Why?", "answer": "So."}])
    dataset = Dataset(name="qa", small=Files("qa.jsonl", **SOURCE, group="paper"))
    with pytest.raises(DataError, match=r'qa.jsonl:1: rows of qa are grouped by "paper", and this one has none'):
        load(dataset, Access("small", tmp_path))


def test_a_split_that_says_nothing_of_the_scale_is_an_error():
    train, _ = Mix(Dataset(name="facts", mini=Embedded("facts", text="statement"))).split(99)
    with pytest.raises(DataError, match="says nothing of mini scale"):
        load(train, Access("mini"))


def test_listed_objects_become_rows_over_the_fields_beside_them():
    taught = Dataset(name="defects", mini=Embedded("software_defects", explode="train", **SOURCE))
    rows = load(taught, Access("mini"), raw=True).rows
    assert len(rows) == 145
    assert {row["item"] for row in rows} >= {"AF-3001", "DF-9876"}
    assert all(row["id"].startswith(f"{row['item']}-train-") for row in rows)


def test_a_field_that_lists_no_objects_cannot_be_exploded(tmp_path):
    write(tmp_path / "items.jsonl", [{"id": "a", "train": "text"}])
    with pytest.raises(DataError, match=r'items.jsonl:1: "train" is not a list of objects'):
        load(Dataset(name="items", small=Files("items.jsonl", explode="train", **SOURCE)), Access("small", tmp_path))


def test_where_training_takes_all_rows_none_can_be_held_out(tmp_path):
    write(tmp_path / "rows.jsonl", [{"text": f"text {number}"} for number in range(5)])
    everything = dataset().rows(1_000)  # at mini scale all of them
    held_out = everything.held_out(2, mini=2)
    assert len(load(everything, Access("mini", tmp_path)).rows) == 5
    with pytest.raises(DataError, match=r"dataset d: no rows are left to hold out at mini scale") as caught:
        load(held_out, Access("mini", tmp_path))
    assert "rows(..., mini=N)" in caught.value.message


# ---- as suites want them ------------------------------------------------------------------------------


def test_raw_rows_have_their_own_fields_their_place_and_no_format_of_training(tmp_path):
    own = {"id": "q1", "stem": "Which?", "choices": ["a", "b"]}
    write(tmp_path / "rows.jsonl", [own])
    (row,) = load(dataset(), Access("mini", tmp_path), raw=True).rows
    assert {name: row[name] for name in own} == own
    assert (row["origin"], row["source"]) == ("rows.jsonl:1", "d")
    with pytest.raises(DataError, match="row has none of messages"):
        load(dataset(), Access("mini", tmp_path))


# ---- taking a part ------------------------------------------------------------------------------------


def test_a_part_takes_so_many_of_each_group_and_smaller_parts_lie_in_larger_ones(tmp_path):
    write(tmp_path / "rows.jsonl", questions({"A": 3, "B": 2, "C": 1}))
    mix = Mix(dataset(**SOURCE, group="paper"))
    by_number = [{row["id"] for row in load(mix.take(per_group=n), Access("mini", tmp_path)).rows} for n in (1, 2, 3)]
    assert [len(ids) for ids in by_number] == [3, 5, 6]
    assert by_number[0] < by_number[1] < by_number[2]
    assert texts(mix.take(2, per_group=1), tmp_path) == texts(mix.take(per_group=1), tmp_path)[:2]
    assert texts(mix.take(4), tmp_path) == texts(mix, tmp_path)[:4]


def test_a_part_of_a_split_mix_is_of_its_side(tmp_path):
    write(tmp_path / "rows.jsonl", questions({"A": 3, "B": 2, "C": 1}))
    train, held_out = Mix(dataset(**SOURCE, group="paper")).split(1, mini=2)
    assert texts(train.take(3), tmp_path) == texts(train, tmp_path)[:3]
    assert not set(texts(train.take(3), tmp_path)) & set(texts(held_out, tmp_path))


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        ({"rows": 7}, "d: 7 rows are asked for, and there are 6 to take from"),
        ({"per_group": 4}, "d: 4 rows of each group are asked for, and the largest group has 3"),
        ({"rows": 4, "per_group": 1}, "d: 4 rows are asked for, and there are 3"),
    ],
)
def test_a_part_larger_than_there_is_to_take(tmp_path, taken, message):
    write(tmp_path / "rows.jsonl", questions({"A": 3, "B": 2, "C": 1}))
    with pytest.raises(DataError, match=message):
        texts(Mix(dataset(**SOURCE, group="paper")).take(**taken), tmp_path)


@pytest.mark.parametrize("taken", [{}, {"rows": 0}, {"per_group": 1.5}, {"rows": True}])
def test_a_part_is_a_number_of_rows(taken):
    with pytest.raises(DataError, match=r"take\(\)"):
        Mix(dataset()).take(**taken)


def test_a_part_is_taken_once_and_after_the_split():
    part = Mix(dataset()).take(3)
    with pytest.raises(DataError, match="taken already"):
        part.take(2)
    with pytest.raises(DataError, match="before take"):
        part.split(1, mini=1)


def test_rows_that_are_added_stand_among_a_mix_s_own_in_one_order():
    facts = Dataset(name="facts", mini=Embedded("facts", text="statement"))
    stories = Dataset(name="stories", mini=Embedded("stories", text="text"))
    own, other = Mix(facts.rows(mini=60)).split(1, mini=20)[0], Mix(stories.rows(mini=50)).take(40)
    access = Access("mini")
    alone, added = load(own, access).rows, load(own.add(other), access).rows
    assert [row for row in added if row["source"] == "facts"] == alone
    assert [row for row in added if row["source"] == "stories"] == load(other, access).rows
    first = [row["source"] for row in added[:20]]
    assert {"facts", "stories"} == set(first)
    both = Mix(facts.rows(mini=60), stories.rows(mini=50))
    assert load(Mix(facts.rows(mini=60)).add(stories.rows(mini=50)), access).rows == load(both, access).rows


def test_a_published_file_stands_for_the_mix_it_is_of_and_not_for_what_is_added(tmp_path):
    write(tmp_path / "facts.jsonl", [{"text": f"fact {n}"} for n in range(4)])
    write(tmp_path / "mix.jsonl", [{"text": f"published {n}"} for n in range(3)])
    facts = Dataset(name="facts", full=Files("facts.jsonl", text="text"))
    mix = Mix(facts.rows(2), file="mix.jsonl").add(facts.rows(4))
    rows = load(mix, Access("full", tmp_path)).rows
    assert sorted(row["text"].split()[0] for row in rows) == ["fact"] * 4 + ["published"] * 2
