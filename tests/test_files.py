"""Files as every room writes and reads them: whole or not at all, JSON line by line, hashed once."""

import errno
import hashlib
import json
import os
import threading

import pytest

from harness.errors import DataError, StoreError
from harness.files import (
    FileDigests,
    differences,
    disk_errors_explained,
    full_disk_explained,
    last_json_line,
    moved_into,
    read_json_lines,
    sha256,
    short,
    write_json_lines,
    write_whole,
    written_whole,
)

# ---- written whole ------------------------------------------------------------------------------------


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(block, name, error):
    """Write half a file in the block, and end it with an error."""
    with block as place:
        (place / name if name else place).write_text("half")
        raise error


def test_a_file_takes_its_new_text_at_once_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "notes.json"
    for text in ("old", "newer and longer: ä"):
        write_whole(path, text)
        assert path.read_text("utf-8") == text
    assert names(tmp_path) == ["notes.json"]


def test_a_text_that_cannot_be_written_leaves_the_old_one_and_no_temporary_file(tmp_path):
    path = tmp_path / "notes.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new, but \ud800 is no character")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["notes.json"]


def test_a_folder_in_the_way_is_an_error_and_no_temporary_file_is_left(tmp_path):
    (tmp_path / "notes.json").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_whole(tmp_path / "notes.json", "new")
    assert names(tmp_path) == ["notes.json"]


def test_a_file_written_by_many_threads_is_always_one_of_their_texts(tmp_path):
    path, texts = tmp_path / "notes.json", [str(number) * 50_000 for number in range(8)]
    threads = [threading.Thread(target=write_whole, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert names(tmp_path) == ["notes.json"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "rows.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        fail_half_way(written_whole(path), "", RuntimeError())
    assert path.read_bytes() == b"old"
    with written_whole(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["rows.bin"]


# ---- several files ------------------------------------------------------------------------------------


def test_files_are_moved_into_a_folder_once_all_are_written(tmp_path):
    folder = tmp_path / "deep" / "out"
    with moved_into(folder) as work:
        (work / "train.jsonl").write_text("train")
        (work / "scratch").mkdir()
        (work / "scratch" / "spilled").write_text("not moved")
        (work / "eval.jsonl").write_text("eval")
        assert [path for path in folder.iterdir() if path.is_file()] == []
    assert names(folder) == ["eval.jsonl", "train.jsonl"]


def test_after_an_error_nothing_is_moved_and_a_new_folder_is_gone_again(tmp_path):
    with pytest.raises(RuntimeError):
        fail_half_way(moved_into(tmp_path / "out"), "train.jsonl", RuntimeError())
    assert names(tmp_path) == []


def test_after_an_error_a_folder_that_was_there_is_as_it_was(tmp_path):
    for name, text in (("train.jsonl", "old"), ("mine.txt", "mine")):
        (tmp_path / name).write_text(text)
    with pytest.raises(KeyboardInterrupt):
        fail_half_way(moved_into(tmp_path), "train.jsonl", KeyboardInterrupt())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"train.jsonl": "old", "mine.txt": "mine"}


def test_earlier_files_of_the_same_names_are_replaced_and_others_stay(tmp_path):
    for name, text in (("train.jsonl", "old"), ("mine.txt", "mine")):
        (tmp_path / name).write_text(text)
    with moved_into(tmp_path) as work:
        (work / "train.jsonl").write_text("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"train.jsonl": "new", "mine.txt": "mine"}


def test_a_file_where_a_folder_should_be_is_told_and_kept(tmp_path):
    (tmp_path / "taken").write_text("mine")
    told = "taken is a file, and a folder is to be written there."
    with pytest.raises(DataError, match=told) as error, moved_into(tmp_path / "taken"):
        pytest.fail("nothing can be written")
    assert error.value.remedy == "Name another folder."
    with (
        pytest.raises(DataError, match="taken/deeper cannot be written: Not a directory"),
        moved_into(tmp_path / "taken" / "deeper"),
    ):
        pytest.fail("nothing can be written")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_in_the_way_of_one_file_is_told_before_any_is_moved(tmp_path):
    (tmp_path / "train.jsonl").mkdir()
    (tmp_path / "eval.jsonl").write_text("old")

    def both_sides():
        with moved_into(tmp_path) as work:
            for name in ("eval.jsonl", "train.jsonl"):
                (work / name).write_text("new")

    with pytest.raises(DataError, match=r"train\.jsonl cannot be written: Is a directory"):
        both_sides()
    assert names(tmp_path) == ["eval.jsonl", "train.jsonl"]
    assert (tmp_path / "eval.jsonl").read_text() == "old"


# ---- the disk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "told", "remedy"),
    [
        (errno.ENOSPC, r"publishing x \(/store\): the disk is full", "Free some space"),
        (errno.EDQUOT, r"publishing x \(/store\): the disk is full", "Free some space"),
        (errno.EROFS, "publishing x: /store cannot be written", "Choose another --store"),
        (errno.EACCES, "publishing x: /store cannot be written", "Choose another --store"),
    ],
)
def test_a_full_or_read_only_disk_is_told_with_what_to_do(number, told, remedy):
    with pytest.raises(StoreError, match=told) as error, disk_errors_explained("publishing x"):
        raise OSError(number, os.strerror(number), "/store")
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    "error",
    [
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),  # safetensors
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),  # torch.save
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed at inline_container.cc"),
        OSError("I/O error: No space left on device"),  # without a number
        Exception('IO Error: Could not write file "/store/r.duckdb": No space left on device'),  # DuckDB
    ],
)
def test_a_full_disk_is_told_whichever_library_meets_it(error):
    with pytest.raises(StoreError, match="writing x: the disk is full") as told, full_disk_explained("writing x"):
        raise error
    assert told.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("unexpected pos 3"), PermissionError(errno.EACCES, "no", "/store")])
def test_other_errors_are_no_full_disk(error):
    with pytest.raises(type(error)) as same, full_disk_explained("writing x"):
        raise error
    assert same.value is error


def test_other_errors_of_the_system_are_not_renamed():
    with pytest.raises(FileNotFoundError), disk_errors_explained("publishing x"):
        raise FileNotFoundError(errno.ENOENT, "gone", "/store")


# ---- JSON lines ---------------------------------------------------------------------------------------

ROWS = [{"id": 1, "text": "ä\u2028b\nc"}, {"id": 2, "scores": [0.1, None]}]


def test_json_lines_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_json_lines(path, iter(ROWS))
    assert read_json_lines(path) == read_json_lines(path, skip_broken=True) == ROWS
    assert path.read_bytes().count(b"\n") == 2
    write_json_lines(path, [])
    assert read_json_lines(path) == []


def test_a_row_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_json_lines(path, ROWS)
    with pytest.raises(TypeError):
        write_json_lines(path, [{"id": 3}, {"id": {1, 2}}])
    assert read_json_lines(path) == ROWS
    assert names(tmp_path) == ["rows.jsonl"]


def test_where_there_is_no_file_there_are_no_lines(tmp_path):
    assert read_json_lines(tmp_path / "nowhere.jsonl") == []
    assert last_json_line(tmp_path / "nowhere.jsonl") is None


@pytest.mark.parametrize("broken", [b'{"step": 2, "los', b"\xff\xfe", b""])
def test_a_broken_line_is_an_error_unless_broken_lines_are_passed_over(tmp_path, broken):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n' + broken + b'\n{"step": 3}\n')
    with pytest.raises(ValueError):
        read_json_lines(path)
    assert read_json_lines(path, skip_broken=True) == [{"step": 1}, {"step": 3}]


def test_lines_that_are_no_objects_are_passed_over_with_the_broken_ones(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('[1]\n7\n{"step": 1}\nnull\n{"st')
    assert read_json_lines(path, skip_broken=True) == [{"step": 1}]


def test_the_last_whole_line_of_a_growing_log_is_found_at_every_byte(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [json.dumps({"step": step, "loss": 1 / (step + 1)}).encode() + b"\n" for step in range(3)]
    whole = b"".join(lines)
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        there = [line for end, line in enumerate(lines, 1) if size >= len(b"".join(lines[:end])) - 1]
        assert last_json_line(path) == (json.loads(there[-1]) if there else None), size


def test_the_last_line_of_a_long_log_is_found_without_its_beginning(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\xff" * 9_000 + b"\n" + b'{"step": 4}\n' + b'{"step": 5, "los')
    assert last_json_line(path) == {"step": 4}
    assert last_json_line(tmp_path) is None


# ---- digests ------------------------------------------------------------------------------------------


def counted(digests):
    """The names of files that were read, and a function that asks for a file's count of words."""
    asked = []

    def words(path):
        asked.append(path.name)
        return str(len(path.read_text().split()))

    return asked, lambda path: digests.of(path, "words", words)


def test_a_digest_is_sha256_of_the_bytes_and_shown_by_eight_characters(tmp_path):
    (tmp_path / "a").write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert sha256(tmp_path / "a") == FileDigests(None).of(tmp_path / "a") == expected
    assert short(expected) == expected[:8]


def test_a_file_is_read_once_until_it_changes(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("one two")
    asked, of = counted(FileDigests(None))
    assert (of(file), of(file), asked) == ("2", "2", ["a.txt"])
    file.write_text("one two three")
    assert (of(file), len(asked)) == ("3", 2)
    times = file.stat()
    file.write_text("one two 33333")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    of(file)
    assert len(asked) == 3, "of the same size, and written later"


def test_digests_are_remembered_across_sessions_each_kind_for_itself(tmp_path):
    file, memory = tmp_path / "a.txt", tmp_path / "deep" / "digests.json"
    file.write_text("one two")
    first = FileDigests(memory)
    asked, of = counted(first)
    of(file)
    assert first.of(file) == sha256(file)
    first.learn("rows:of something", 7)
    assert not memory.exists()
    first.remember()
    second = FileDigests(memory)
    asked, of = counted(second)
    assert (of(file), asked, second.known["rows:of something"]) == ("2", [], 7)
    assert second.of(file) == sha256(file)


def test_a_memory_in_which_nothing_is_new_is_not_written(tmp_path):
    memory, file = tmp_path / "store" / "digests.json", tmp_path / "a.txt"
    FileDigests(memory).remember()
    assert not memory.parent.exists()
    file.write_text("one")
    digests = FileDigests(memory)
    digests.of(file)
    digests.remember()
    memory.unlink()
    digests.of(file)
    digests.remember()
    assert not memory.exists()


@pytest.mark.parametrize("text", ["", '{"bytes:', "[]", "7"])
def test_a_damaged_memory_is_only_forgotten(tmp_path, text):
    memory, file = tmp_path / "digests.json", tmp_path / "a.txt"
    memory.write_text(text)
    file.write_text("one")
    digests = FileDigests(memory)
    assert digests.known == {}
    assert digests.of(file) == sha256(file)
    digests.remember()
    assert json.loads(memory.read_text()) == digests.known


def test_one_file_named_two_ways_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one two")
    monkeypatch.chdir(tmp_path)
    asked, of = counted(FileDigests(None))
    of(tmp_path / "a.txt")
    of(tmp_path.joinpath("..", tmp_path.name, "a.txt"))
    assert asked == ["a.txt"]


def test_differences_name_the_leaves_that_differ():
    there = {"settings": {"learning_rate": 3e-4, "betas": [0.9, 0.95]}, "seed": 0}
    here = {"settings": {"learning_rate": 2e-4, "betas": [0.9, 0.99]}, "seed": 0, "code": "x"}
    assert list(differences(there, here)) == [
        ("settings.learning_rate", 3e-4, 2e-4),
        ("settings.betas[1]", 0.95, 0.99),
        ("code", None, "x"),
    ]


def test_lists_of_other_lengths_differ_as_wholes():
    assert list(differences({"data": [1]}, {"data": [1, 2]})) == [("data", [1], [1, 2])]
    assert list(differences({"data": [1]}, {"data": [1]})) == []
