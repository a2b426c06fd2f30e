"""Files of rows: JSON lines, a JSON list, a text's documents; each problem told with its line."""

import bz2
import datetime
import gzip
import json

import pyarrow
import pytest
from pyarrow import ipc, parquet

from harness import Dataset, Files, Mix
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


# ---- what a file is, by its content ---------------------------------------------------------------------

PASSAGES = [{"id": 7, "text": "A river,\nand a mill."}, {"id": 8, "text": "A hill."}]
LINES = "".join(f"{json.dumps(row)}\n" for row in PASSAGES).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.ndjson", LINES),
        ("rows.JSONL", LINES),
        ("rows.jsonl.txt", LINES),
        ("rows", b"\n" + LINES),
        ("rows.json", LINES),
        ("rows.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("rows.bz2", bz2.compress(LINES)),
        ("rows.jsonl.zst", bytes(pyarrow.compress(LINES, "zstd", asbytes=True))),
    ],
)
def test_json_lines_are_read_under_any_name_and_compressed(tmp_path, name, content):
    file = write(tmp_path / name, content)
    assert [row for _, row in read_file(file)] == PASSAGES


@pytest.mark.parametrize("form", ["parquet", "arrow", "stream"])
def test_tables_are_rows(tmp_path, form):
    table = pyarrow.Table.from_pylist([{**row, "at": datetime.date(2026, 1, 2)} for row in PASSAGES])
    path = tmp_path / "rows.data"
    if form == "parquet":
        parquet.write_table(table, path)
    else:
        new = ipc.new_file if form == "arrow" else ipc.new_stream  # the second is what datasets writes
        with pyarrow.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table)
    found = list(read_file(path))
    assert found == [(f"rows.data[{i}]", {**row, "at": "2026-01-02"}) for i, row in enumerate(PASSAGES)]


def test_bytes_in_a_table_are_text_or_a_bad_row(tmp_path):
    texts = pyarrow.array(["caf\u00e9".encode(), b"caf\xe9"], pyarrow.binary())
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "rows.parquet")
    left_out = []
    assert [row for _, row in read_file(tmp_path / "rows.parquet", None, True, left_out)] == [{"text": "caf\u00e9"}]
    assert left_out == ["rows.parquet[1]: holds bytes that are not UTF-8"]


@pytest.mark.parametrize("name", ["list", "list.txt", "list.json"])
def test_a_json_list_is_one_under_any_name(tmp_path, name):
    file = write(tmp_path / name, json.dumps(PASSAGES, indent=1))
    assert [row for _, row in read_file(file)] == PASSAGES


def test_a_text_that_begins_with_a_bracket_is_text(tmp_path):
    file = write(tmp_path / "rows.txt", "[1] A note.\n\n{not json}\n")
    assert [row["text"] for _, row in read_file(file)] == ["[1] A note.", "{not json}"]


def test_a_damaged_first_line_is_a_bad_row_not_text(tmp_path):
    with pytest.raises(DataError, match="rows.txt:1: not JSON"):
        list(read_file(write(tmp_path / "rows.txt", '{"text": "on\n{"text": "two"}\n')))


def test_csv_is_a_table_of_texts(tmp_path):
    file = write(tmp_path / "rows.CSV", 'id,text\n007,"A river,\nand a mill."\n8,A hill.\n')
    assert list(read_file(file)) == [
        ("rows.CSV:3", {"id": "007", "text": "A river,\nand a mill."}),
        ("rows.CSV:4", {"id": "8", "text": "A hill."}),
    ]
    tabs = write(tmp_path / "rows.tsv", "id\ttext\n8\tA hill, no more\n")
    assert [row for _, row in read_file(tabs)] == [{"id": "8", "text": "A hill, no more"}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.csv", b"id,text\n1,a,b\n", "rows.csv:2: has more fields than the header (2)."),
        ("rows.csv", b"id,text\n1\n", "rows.csv:2: has no field 'text'."),
        ("rows.csv", b'id,text\n1,"a', "rows.csv:2: not CSV (unexpected end of data); is the file cut short?"),
        ("rows.jsonl", b"PK\x03\x04\0\0", "rows.jsonl is a zip archive or office document; rows are read from"),
        ("rows.txt", b"%PDF-1.7", "rows.txt is a PDF; rows are read from"),
        ("rows.txt", b"one\0two", "rows.txt: holds a NUL byte, so it is no text."),
        ("rows.parquet", b"PAR1", "rows.parquet cannot be read as Parquet: "),
        ("rows.jsonl.gz", gzip.compress(LINES, mtime=0)[:-12], "{folder}/rows.jsonl.gz cannot be read: "),
    ],
)
def test_what_holds_no_rows_is_named(tmp_path, name, content, told):
    with pytest.raises(DataError) as error:
        list(read_file(write(tmp_path / name, content)))
    assert error.value.problem.startswith(told.format(folder=tmp_path))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_a_blank_line_parts_documents_whatever_line_ends_and_blanks_it_has(tmp_path, end, blank):
    text = end.join(["One.", "Still one.", blank, "Two.", blank, blank, "Three."])
    found = list(read_file(write(tmp_path / "rows.txt", text.encode())))
    assert found == [
        ("rows.txt:1", {"text": "One.\nStill one."}), ("rows.txt:4", {"text": "Two."}), ("rows.txt:7", {"text": "Three."}),
    ]  # fmt: skip


def test_a_separator_is_found_whatever_line_ends_the_file_has(tmp_path):
    file = write(tmp_path / "rows.txt", b"One.\r\n---\r\nTwo.\r\n")
    assert [row["text"] for _, row in read_file(file, "\n---\n")] == ["One.", "Two."]


# ---- ids ------------------------------------------------------------------------------------------------


def test_no_row_vanishes_behind_another_of_the_same_id(tmp_path):
    rows = [{"id": 7, "text": "one"}, {"id": "7", "text": "two"}, {"id": None, "text": "three"}, {"text": "four"}]
    write(tmp_path / "a.jsonl", [*rows, {"id": None, "text": "five"}])
    write(tmp_path / "b.jsonl", [{"id": 7, "text": "six"}])
    mix = Mix(dataset("a.jsonl"), dataset("b.jsonl"))
    found = load(mix, Access("mini", tmp_path)).rows
    assert len({row["id"] for row in found}) == len(found) == 6
    assert {"7", "7#2", "7#3"} < {row["id"] for row in found}
    assert [row["id"] for row in load(mix, Access("mini", tmp_path)).rows] == [row["id"] for row in found]
    assert "None" not in {row["id"] for row in found}


def test_many_rows_of_one_id_are_told_apart_in_one_pass(tmp_path):
    write(tmp_path / "a.jsonl", [{"id": "train", "text": f"text {number}"} for number in range(20_000)])
    found = load(dataset("a.jsonl"), Access("mini", tmp_path)).rows
    assert len({row["id"] for row in found}) == 20_000
