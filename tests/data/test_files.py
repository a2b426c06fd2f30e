"""Files of rows: JSON lines, a JSON list, a text's documents; each problem told with its line."""

import json

import pytest

from harness import Dataset, Files
from harness.data.reading.files import read_file
from harness.data.reading.formats import row_text
from harness.data.reading.rows import Access, load
from harness.errors import DataError
from tests.row_files import write


def dataset(name="rows.jsonl", **reads):
    return Dataset(name="d", mini=Files(name, **reads))


def texts(wanted, folder, **access):
    return [row_text(row) for row in load(wanted, Access("mini", folder, **access)).rows]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.jsonl", b"", r"rows\.jsonl is empty"),
        ("rows.jsonl", b" \n\n", r"rows\.jsonl is empty"),
        ("rows.jsonl", b'{"text": "one"}\n{"text": "caf\xe9"}\n', r"rows\.jsonl:2: not UTF-8 \(byte 0xe9\)"),
        ("rows.jsonl", b'{"text": "one"}\n{"text": "tw', r"rows\.jsonl:2: not JSON \(.*\); is the file cut short"),
        ("rows.jsonl", b'{"text": "one"}\n["two"]\n', r"rows\.jsonl:2: row is list, not an object"),
        ("rows.json", b'[{"text": "one"},\n {"text": "tw', r"rows\.json:2: not JSON .* is the file cut short"),
        ("rows.json", b'{"text": "one"}', r"rows\.json: holds dict, not a list of rows"),
        ("rows.json", b'[{"text": "one"}, "two"]', r"rows\.json\[1\]: row is str, not an object"),
        ("rows.json", b"[" * 100_000, r"rows\.json:?.* not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line(tmp_path, name, content, told):
    write(tmp_path / name, content)
    with pytest.raises(DataError, match=told):
        texts(dataset(name), tmp_path)


def test_a_byte_order_mark_blank_lines_and_line_separators_inside_text_are_no_rows(tmp_path):
    write(tmp_path / "rows.jsonl", '\ufeff{"text": "one\u2028more"}\n\n{"text": "two"}\r\n')
    found = list(read_file(tmp_path / "rows.jsonl"))
    assert found == [("rows.jsonl:1", {"text": "one\u2028more"}), ("rows.jsonl:3", {"text": "two"})]


def test_documents_of_a_text_file_know_their_first_line(tmp_path):
    write(tmp_path / "rows.txt", "One.\nStill one.\n---\n\nTwo.\n---\n \n---\nThree.\n")
    found = [(origin, row["text"]) for origin, row in read_file(tmp_path / "rows.txt", "---\n")]
    assert found == [("rows.txt:1", "One.\nStill one."), ("rows.txt:5", "Two."), ("rows.txt:9", "Three.")]


def test_a_json_list_and_json_lines_give_the_same_rows(tmp_path):
    rows = [{"text": "one"}, {"text": "two"}]
    write(tmp_path / "rows.jsonl", rows)
    write(tmp_path / "rows.json", json.dumps(rows, indent=1))
    assert texts(dataset("rows.jsonl"), tmp_path) == texts(dataset("rows.json"), tmp_path)


def test_a_line_that_is_not_utf8_can_be_left_out_like_any_bad_row(tmp_path):
    file = write(tmp_path / "rows.jsonl", b'{"text": "one"}\n{"text": "caf\xe9"}\n{"text": "three"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not UTF-8") as error:
        list(read_file(file))
    assert error.value.remedy == "Fix the row, or pass --skip-bad-rows to list and leave out such rows."
    left_out = []
    found = [row["text"] for _, row in read_file(file, skip_bad_rows=True, left_out=left_out)]
    assert (found, left_out) == (["one", "three"], ["rows.jsonl:2: not UTF-8 (byte 0xe9)"])


@pytest.mark.parametrize("name", ["rows.json", "rows.txt"])
def test_a_whole_file_that_is_not_utf8_is_told_with_its_line_and_what_to_do(tmp_path, name):
    file = write(tmp_path / name, b'["one",\n"caf\xe9"]')
    with pytest.raises(DataError, match=rf"{name}:2: not UTF-8 \(byte 0xe9\)") as error:
        list(read_file(file, skip_bad_rows=True, left_out=[]))
    assert error.value.remedy == "Save it as UTF-8."
