"""Crawled rows: which of three formats a file has, and what breaks it first."""

import pytest

from harness.data.tools.crawled import file_format, first_problem, format_of, input_files
from harness.errors import DataError
from tests.row_files import write


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"text": "a"}, "text"),
        ({"body_text": "a", "text": "b"}, "body_text"),
        ({"chunks": [], "body_text": "a"}, "chunks"),
        ({"chunks": None, "text": "a"}, "text"),
        ({"title": "a"}, None),
    ],
)
def test_a_row_is_of_the_first_format_whose_field_it_has(row, found):
    assert format_of(row) == found


def test_a_sound_file_has_a_format_and_no_problem(tmp_path):
    file = write(tmp_path / "crawl.jsonl", [{"text": "a", "chunk_id": 7, "section_path": ["A", "B"]}, {"text": "b"}])
    assert file_format(file) == "text"
    assert first_problem(file) is None


def test_the_first_of_two_problems_is_told(tmp_path):
    file = write(tmp_path / "crawl.jsonl", [{"text": "a"}, {"text": 3}, {"text": None}])
    assert first_problem(file).problem == 'crawl.jsonl:2: "text" is int, not text.'


def test_the_json_lines_of_a_folder_come_by_name(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        write(tmp_path / name, [{"text": "a"}])
    assert [path.name for path in input_files(tmp_path)] == ["a.jsonl", "b.jsonl"]
    assert input_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    with pytest.raises(DataError, match="does not exist"):
        input_files(tmp_path / "nowhere")
