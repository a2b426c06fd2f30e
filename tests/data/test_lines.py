"""JSON lines one at a time: where each is, and what is wrong with it."""

import json

import pytest

from harness.data.reading.formats import BadRow
from harness.data.reading.lines import checked, lines, trainable
from harness.errors import DataError
from tests.row_files import write


def test_every_line_knows_its_place_and_its_bytes(tmp_path):
    content = '\ufeff{"text": "ä"}\n\n  \n{"text": "two"}\r\n{"text": "three"}'.encode()
    found = list(lines(write(tmp_path / "rows.jsonl", content)))
    assert [line.origin for line in found] == ["rows.jsonl:1", "rows.jsonl:4", "rows.jsonl:5"]
    assert [line.row["text"] for line in found] == ["ä", "two", "three"]
    assert all(content[line.offset :].startswith(line.raw) for line in found)
    assert found[-1].raw == b'{"text": "three"}'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"text": "caf\xe9"}', "not UTF-8 (byte 0xe9)"),
        (b'{"text": "a\x00b"}', "holds a NUL byte"),
        (b'{"text": "one"', "not JSON (Expecting ',' delimiter); is the file cut short?"),
        (b"[" * 100_000, "not JSON (nested too deep); is the file cut short?"),
        (b'"words"', "row is str, not an object"),
        (b"null", "row is NoneType, not an object"),
    ],
)
def test_a_line_that_is_no_row_says_why_and_the_others_are_read(tmp_path, line, told):
    first, second = lines(write(tmp_path / "rows.jsonl", line + b'\n{"text": "two"}\n'))
    assert (first.problem, first.row) == (told, {})
    assert (second.problem, second.row) == (None, {"text": "two"})
    with pytest.raises(BadRow) as bad:
        trainable(first.row, first.problem)
    assert str(bad.value) == told


def test_a_row_that_cannot_be_trained_on_is_told_with_its_place_and_what_to_do(tmp_path):
    (line,) = lines(write(tmp_path / "rows.jsonl", [{"instruction": "Sum."}]))
    with pytest.raises(DataError) as error:
        checked(line)
    assert error.value.problem == 'rows.jsonl:1: row has no "output" (found: instruction).'
    assert "harness data check FILE" in error.value.remedy
    (line,) = lines(write(tmp_path / "rows.jsonl", [{"text": "A river."}]))
    assert checked(line) == trainable(line.row, line.problem) == {"text": "A river."}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.jsonl", b"", "rows.jsonl is empty."),
        ("rows.jsonl", b" \n\n\t\n", "rows.jsonl is empty."),
        ("rows.json", json.dumps([{"text": "one"}]).encode(), "rows.json holds a JSON list; JSON lines are read here."),
    ],
)
def test_a_file_without_lines_is_one_clear_error(tmp_path, name, content, told):
    with pytest.raises(DataError) as error:
        list(lines(write(tmp_path / name, content)))
    assert error.value.problem == told


def test_a_folder_or_a_missing_file_cannot_be_read(tmp_path):
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "nowhere.jsonl", "No such file or directory")):
        with pytest.raises(DataError, match=f"{path.name} cannot be read: {why}"):
            list(lines(path))
