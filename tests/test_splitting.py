"""Held-out groups, exploded rows, a mix as one published file."""

import json

import pytest

from harness import Dataset, Embedded, Files, Mix
from harness.data.reading.rows import Access, load
from harness.data.reading.groups import held_out_groups
from harness.errors import DataError

SOURCE = {"prompt": "{question}", "completion": "{answer}"}


def written(folder, name, rows):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


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


def test_whole_groups_fill_exactly_the_rows_asked_for():
    sizes = {f"paper-{i}": 1 + i % 7 for i in range(172)}
    chosen = held_out_groups(sizes, 99, "papers")
    assert sum(sizes[name] for name in chosen) == 99


def test_groups_that_cannot_fill_the_count_are_an_error_naming_both_numbers():
    with pytest.raises(DataError, match="whole groups fill 4 of the 5 rows"):
        held_out_groups({"a": 4, "b": 4, "c": 4}, 5, "papers")
    with pytest.raises(DataError, match="12 of 12 rows cannot be held out"):
        held_out_groups({"a": 12}, 12, "papers")


def test_no_group_stands_on_both_sides_and_order_does_not_matter(tmp_path):
    rows = questions({f"paper-{i}": 1 + i % 5 for i in range(40)})
    dataset = Dataset(name="qa", small=Files("qa.jsonl", **SOURCE, group="paper", keep="citation"))
    train, held_out = Mix(dataset.rows(small=len(rows))).split(1, small=12)
    sides = []
    for order in (rows, rows[::-1]):
        written(tmp_path, "qa.jsonl", order)
        access = Access("small", tmp_path)
        sides.append(
            [{(r["group"], r["messages"][0]["content"]) for r in load(mix, access).rows} for mix in (train, held_out)]
        )
    assert sides[0] == sides[1]
    ours, kept = sides[0]
    assert (len(ours), len(kept)) == (len(rows) - 12, 12)
    assert not {group for group, _ in ours} & {group for group, _ in kept}


def test_a_row_keeps_its_citation(tmp_path):
    written(tmp_path, "qa.jsonl", questions({"deng2013": 2}))
    dataset = Dataset(name="qa", small=Files("qa.jsonl", **SOURCE, group="paper", keep=("citation",)))
    assert {row["citation"] for row in load(dataset, Access("small", tmp_path)).rows} == {"deng2013 1999"}


def test_a_row_without_its_group_is_named(tmp_path):
    written(tmp_path, "qa.jsonl", [{"question": "Why?", "answer": "So."}])
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
    written(tmp_path, "items.jsonl", [{"id": "a", "train": "text"}])
    with pytest.raises(DataError, match=r'items.jsonl:1: "train" is not a list of objects'):
        load(Dataset(name="items", small=Files("items.jsonl", explode="train", **SOURCE)), Access("small", tmp_path))


def test_a_published_mix_is_read_from_its_one_file_where_the_user_has_it(tmp_path):
    parts = [Dataset(name=name, full=Files(f"{name}.jsonl")) for name in ("facts", "passages")]
    mix = Mix(parts[0].rows(2), parts[1].rows(1), file="knowledge.json")
    for name in ("facts", "passages"):
        written(tmp_path, f"{name}.jsonl", [{"instruction": f"{name} {i}", "output": "yes"} for i in range(4)])
    assert {row["source"] for row in load(mix, Access("full", tmp_path)).rows} == {"facts", "passages"}
    rows = [{"instruction": f"whole {i}", "input": "", "output": "yes"} for i in range(3)]
    (tmp_path / "knowledge.json").write_text(json.dumps(rows))
    whole = load(mix, Access("full", tmp_path)).rows
    assert {row["source"] for row in whole} == {"knowledge"}
    assert len(whole) == 3
