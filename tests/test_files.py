"""Files written whole or not at all, read line by line, and hashed once."""

import hashlib
import json
import os

import pytest

from harness.errors import DataError, StoreError
from harness.files import (
    FileDigests,
    disk_errors_explained,
    last_json_line,
    moved_into,
    read_json_lines,
    sha256,
    short,
    write_json_lines,
    write_whole,
    written_whole,
)

# ---- digests ------------------------------------------------------------------------------------------


def test_a_file_is_hashed_again_when_it_changes_and_remembered_across_sessions(tmp_path):
    file, memory = tmp_path / "rows.jsonl", tmp_path / "digests.json"
    file.write_text("one")
    digests = FileDigests(memory)
    assert digests.of(file) == hashlib.sha256(b"one").hexdigest()
    digests.remember()
    assert FileDigests(memory).known == digests.known
    file.write_text("three")
    assert FileDigests(memory).of(file) == hashlib.sha256(b"three").hexdigest()
    file.write_text("other")  # the same size; only the time differs
    os.utime(file, ns=(1, 1))
    assert digests.of(file) == hashlib.sha256(b"other").hexdigest()


def test_a_file_that_did_not_change_is_hashed_once(tmp_path):
    (tmp_path / "rows.jsonl").write_text("one")
    digests, computed = FileDigests(None), []

    def compute(path):
        computed.append(path)
        return sha256(path)

    first = digests.of(tmp_path / "rows.jsonl", "rows", compute)
    assert digests.of(tmp_path / "rows.jsonl", "rows", compute) == first
    assert computed == [tmp_path / "rows.jsonl"]
    digests.of(tmp_path / "rows.jsonl", "other", compute)
    assert len(computed) == 2, "each kind of digest is remembered for itself"


@pytest.mark.parametrize("text", ['{"bytes:', "[]"])
def test_a_damaged_memory_of_digests_is_only_forgotten(tmp_path, text):
    (tmp_path / "digests.json").write_text(text)
    assert FileDigests(tmp_path / "digests.json").known == {}


def test_a_memory_is_written_only_where_something_was_learnt(tmp_path):
    digests = FileDigests(tmp_path / "store" / "digests.json")
    digests.remember()
    assert not (tmp_path / "store").exists()
    digests.learn("rows:x", 7)
    digests.remember()
    assert json.loads((tmp_path / "store" / "digests.json").read_text()) == {"rows:x": 7}


def test_a_digest_is_shown_by_eight_characters():
    assert short("0123456789abcdef") == "01234567"


# ---- written whole ------------------------------------------------------------------------------------


def fail_half_way(block, name):
    """Write half a file in the block, and end it with an error."""
    with block as place:
        (place / name if name else place).write_text("half")
        raise RuntimeError


def test_a_file_takes_its_new_text_at_once_and_leaves_nothing_beside_it(tmp_path):
    file = tmp_path / "latest.json"
    write_whole(file, "one")
    write_whole(file, "two")
    assert file.read_text() == "two"
    assert list(tmp_path.iterdir()) == [file]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "latest.json"
    write_whole(file, "one")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "\ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("latest.json", "one")]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("one")
    with pytest.raises(RuntimeError):
        fail_half_way(written_whole(file), "")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("rows.jsonl", "one")]


def test_files_are_moved_into_a_folder_once_all_are_whole(tmp_path):
    with moved_into(tmp_path / "out") as work:
        (work / "rows.jsonl").write_text("one")
        assert not (tmp_path / "out" / "rows.jsonl").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rows.jsonl"]


def test_after_an_error_nothing_is_moved_and_a_new_folder_is_gone_again(tmp_path):
    with pytest.raises(RuntimeError):
        fail_half_way(moved_into(tmp_path / "out"), "rows.jsonl")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_the_way_of_one_file_is_told_before_any_is_moved(tmp_path):
    (tmp_path / "out" / "second.jsonl").mkdir(parents=True)

    def move():
        with moved_into(tmp_path / "out") as work:
            for name in ("first.jsonl", "second.jsonl"):
                (work / name).write_text("one")

    with pytest.raises(DataError, match=r"second\.jsonl cannot be written: Is a directory"):
        move()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second.jsonl"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path):
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(DataError, match="out is a file, and a folder is to be written there"),
        moved_into(tmp_path / "out"),
    ):
        pass


def test_a_full_disk_and_a_folder_of_somebody_elses_are_explained():
    with pytest.raises(StoreError, match="publishing: the disk is full"), disk_errors_explained("publishing"):
        raise OSError(28, "No space left on device")
    with pytest.raises(StoreError, match="publishing: /x cannot be written"), disk_errors_explained("publishing"):
        raise OSError(30, "Read-only file system", "/x")
    with pytest.raises(IsADirectoryError), disk_errors_explained("publishing"):
        raise IsADirectoryError(21, "Is a directory")


# ---- JSON lines ---------------------------------------------------------------------------------------


def test_rows_come_back_line_by_line(tmp_path):
    rows = [{"text": "\u00e9"}, {"text": "two\nlines"}]
    write_json_lines(tmp_path / "rows.jsonl", rows)
    assert read_json_lines(tmp_path / "rows.jsonl") == rows
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 2
    assert read_json_lines(tmp_path / "absent.jsonl") == []


def test_a_line_cut_short_is_passed_over_in_a_log_alone(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1}\n{"step": 2}\n[3]\n{"st')
    assert read_json_lines(log, skip_broken=True) == [{"step": 1}, {"step": 2}]
    with pytest.raises(ValueError):
        read_json_lines(log)


def test_the_last_whole_line_of_a_growing_log_is_found(tmp_path):
    log = tmp_path / "log.jsonl"
    assert last_json_line(log) is None
    log.write_text("".join(f'{{"step": {i}}}\n' for i in range(2_000)) + '{"st')
    assert last_json_line(log) == {"step": 1_999}
