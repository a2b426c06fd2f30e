"""Several files mixed by share: whole rows, every part there, each row with its source."""

import json

import pytest

from harness.data.tools.mixing import Part, mix, parts_of
from harness.data.tools.sizes import characters
from harness.errors import DataError
from tests.row_files import read, write


def letters(letter, count, size=10):
    return [{"text": f"{letter * size}{number:03}"} for number in range(count)]


@pytest.fixture
def two_files(tmp_path):
    """The first has 200 rows of 13 characters, the second 100 rows of 23."""
    return [
        write(tmp_path / "a.jsonl", letters("a", 200)),
        write(tmp_path / "b.jsonl", letters("b", 100, size=20)),
    ]


def mixed(files, shares, output, **more):
    return mix([Part(*part) for part in zip(files, shares, strict=True)], output, characters, **more)


def test_shares_are_read_from_the_last_colon_on():
    assert [(str(part.path), part.share) for part in parts_of(["a:b.jsonl:0.25", "c.jsonl:0.75"])] == [
        ("a:b.jsonl", 0.25), ("c.jsonl", 0.75),
    ]  # fmt: skip


def test_what_came_of_each_part_is_told_and_is_what_was_written(two_files, tmp_path):
    told = mixed(two_files, (0.5, 0.5), tmp_path / "out" / "mix.jsonl")
    written = read(tmp_path / "out" / "mix.jsonl")
    for part, letter in zip(told, "ab", strict=True):
        own = [row for row in written if row["source"] == letter]
        assert (part.rows, part.size) == (len(own), sum(len(row["text"]) for row in own))
        assert abs(part.share - part.asked) < 0.01
    assert [part.rows_of for part in told] == [200, 100]
    assert sum(part.share for part in told) == pytest.approx(1)


def test_the_scarcest_file_is_used_up(two_files, tmp_path):
    first, second = mixed(two_files, (0.9, 0.1), tmp_path / "mix.jsonl")
    assert (first.rows, second.rows) == (200, 12)  # 2600 characters, and 289 of them to a tenth of the whole


def test_every_file_gives_one_row_at_least(two_files, tmp_path):
    told = mixed(two_files, (0.999, 0.001), tmp_path / "mix.jsonl")
    assert told[1].rows == 1
    told = mixed(two_files, (0.5, 0.5), tmp_path / "two.jsonl", rows=2)
    assert [part.rows for part in told] == [1, 1]


def test_so_many_rows_are_written_as_asked_for(two_files, tmp_path):
    for rows in (2, 3, 17, 100):
        told = mixed(two_files, (0.3, 0.7), tmp_path / "mix.jsonl", rows=rows)
        assert sum(part.rows for part in told) == len(read(tmp_path / "mix.jsonl")) == rows


def test_of_rows_that_fit_at_the_same_total_no_more_than_asked_for_are_taken(tmp_path):
    files = [write(tmp_path / f"{letter}.jsonl", letters(letter, 20)) for letter in "ab"]  # all of one size
    for rows in range(2, 12):
        parts = mixed(files, (0.5, 0.5), tmp_path / "mix.jsonl", rows=rows)
        assert [part.rows for part in parts] == [(rows + 1) // 2, rows // 2]


def test_a_smaller_mix_is_part_of_a_larger_one(two_files, tmp_path):
    for name, rows in (("small", 20), ("large", 60)):
        mixed(two_files, (0.5, 0.5), tmp_path / name, rows=rows, seed=3)
    small, large = ([row["text"] for row in read(tmp_path / name)] for name in ("small", "large"))
    assert small == [text for text in large if text in small]


def test_a_row_keeps_the_source_it_has_and_its_bytes(tmp_path):
    own = '{"text": "caf\\u00e9 with its own layout",  "source": "mine"}'
    file = write(tmp_path / "a.jsonl", f'{own}\n{{"text": "one", "source": null}}')
    mixed([file], (1.0,), tmp_path / "mix.jsonl")
    lines = (tmp_path / "mix.jsonl").read_text().splitlines()
    assert own in lines
    assert {json.loads(line)["source"] for line in lines} == {"mine", "a"}


def test_a_row_without_a_token_is_told_and_nothing_is_written(two_files, tmp_path):
    parts = [Part(two_files[0], 1.0)]
    with pytest.raises(DataError, match=r"a\.jsonl:1: the tokenizer makes no token of the row's text"):
        mix(parts, tmp_path / "out" / "mix.jsonl", lambda texts: [0] * len(texts))
    assert not (tmp_path / "out").exists()
