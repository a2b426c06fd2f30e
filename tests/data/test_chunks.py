"""Chunks from crawls: cut, without duplicates, stable under reordering, and one clear error per bad input."""

import hashlib
import json
import random

import pytest

from harness.data.tools.chunks import Settings, make_chunks
from harness.errors import DataError
from tests.row_files import read, write

SENTENCE = "The Danube flows through ten countries and ends in the Black Sea. "


def passages(count, start=0):
    return [
        {
            "text": f"Passage {number} is about rivers. " + SENTENCE * 3,
            "url": f"https://example.org/{number}",
            "chunk_id": f"r-{number}",
            "section_path": ["Rivers", f"Part {number}"],
            "title": "Rivers",
        }
        for number in range(start, start + count)
    ]


def sides(folder):
    return read(folder / "train.jsonl") + read(folder / "eval.jsonl")


def chunk(tmp_path, rows, out="out", **settings):
    made = make_chunks(write(tmp_path / "crawl.jsonl", rows), tmp_path / out, Settings(**settings))
    return made["counts"], sides(tmp_path / out)


def test_rows_keep_their_text_and_metadata(tmp_path):
    counts, chunks = chunk(tmp_path, passages(30))
    assert counts["rows"] == len(chunks) == 30
    by_id = {one["chunk_id"]: one for one in chunks}
    row = passages(30)[7]
    assert by_id["r-7"] == {
        "text": row["text"],
        "source_url": "https://example.org/7",
        "chunk_id": "r-7",
        "section_path": ["Rivers", "Part 7"],
        "title": "Rivers",
    }


def test_fields_that_a_row_lacks_are_not_written(tmp_path):
    _, chunks = chunk(tmp_path, [{"text": SENTENCE * 4, "title": None, "depth": 3}])
    assert chunks == [{"text": SENTENCE * 4}]


def test_pages_are_cut_between_the_bounds_and_nothing_is_lost(tmp_path):
    body = "\n\n".join(f"Paragraph {n}. " + SENTENCE * (n % 7 + 1) for n in range(40))
    page = {"body_text": body, "source_url": "https://example.org/long", "title": "Long"}
    counts, chunks = chunk(tmp_path, [page], min_chars=100, max_chars=600)
    assert counts["rows_cut"] == 1
    assert counts["texts"] == len(chunks) > 10
    assert all(100 <= len(one["text"]) <= 600 for one in chunks)
    chunks.sort(key=lambda one: int(one["chunk_id"].split("#")[1]))
    assert "".join(" ".join(one["text"] for one in chunks).split()) == "".join(body.split())
    assert chunks[0]["chunk_id"] == "https://example.org/long#1"
    assert chunks[0]["source_url"] == "https://example.org/long"


def test_chunks_of_pages_take_what_they_lack_from_the_page(tmp_path):
    page = {
        "url": "https://example.org/p",
        "title": "Page",
        "chunks": [
            {"text": "First. " + SENTENCE * 4, "chunk_id": "p-1", "section_path": ["A"]},
            {"text": "Second. " + SENTENCE * 4, "chunk_id": "p-2", "title": "Own"},
            {"text": "too short"},
        ],
    }
    counts, chunks = chunk(tmp_path, [page, {"url": "https://example.org/none", "chunks": []}])
    assert (counts["rows"], counts["empty_pages"], counts["texts"], counts["too_short"]) == (2, 1, 3, 1)
    first, second = sorted(chunks, key=lambda one: one["chunk_id"])
    assert (first["title"], first["source_url"], first["section_path"]) == ("Page", "https://example.org/p", ["A"])
    assert second["title"] == "Own"
    assert "section_path" not in second


def test_counts_add_up(tmp_path):
    rows = [*passages(50), *passages(10), {"text": "short"}, {"text": SENTENCE * 60, "url": "https://example.org/x"}]
    counts, chunks = chunk(tmp_path, rows, max_chunks=40)
    left_out = counts["too_short"] + counts["duplicates"] + counts["beyond_max_chunks"]
    assert counts["texts"] == len(chunks) + left_out
    assert counts["rows"] == 62
    assert counts["duplicates"] >= 10
    assert len(chunks) == 40


def test_order_of_the_input_changes_nothing(tmp_path):
    rows = [*passages(300), *[{**row, "text": row["text"].replace(" ", "  "), "title": "Copy"} for row in passages(80)]]
    folders = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        chunk(tmp_path, rows, out=f"out{seed}", max_chunks=200, eval_ratio=0.3)
        folders.append(tmp_path / f"out{seed}")
    for name in ("train.jsonl", "eval.jsonl"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_same_input_and_seed_give_the_same_bytes_and_another_seed_does_not(tmp_path):
    rows = passages(200)
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        chunk(tmp_path, rows, out=out, seed=seed, eval_ratio=0.2)
    for name in ("train.jsonl", "eval.jsonl", "chunks.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()


def test_a_text_is_never_on_both_sides_nor_twice_on_one(tmp_path):
    rows = passages(200) + [{**row, "text": row["text"].replace(". ", ".\n\t ")} for row in passages(200)]
    _, chunks = chunk(tmp_path, rows, eval_ratio=0.4)
    texts = [" ".join(one["text"].split()) for one in chunks]
    assert len(texts) == len(set(texts)) == 200


def test_the_side_of_a_chunk_does_not_depend_on_other_rows(tmp_path):
    chunk(tmp_path, passages(400), out="many", eval_ratio=0.25)
    chunk(tmp_path, passages(60, start=100), out="few", eval_ratio=0.25)
    few = {one["chunk_id"] for one in read(tmp_path / "few" / "eval.jsonl")}
    many = {one["chunk_id"] for one in read(tmp_path / "many" / "eval.jsonl")}
    assert few == {one for one in many if 100 <= int(one[2:]) < 160}
    assert 60 < len(many) < 140


def test_choosing_fewer_chunks_chooses_among_the_same(tmp_path):
    chunk(tmp_path, passages(300), out="all")
    chunk(tmp_path, passages(300), out="some", max_chunks=50)
    some = [one["chunk_id"] for one in read(tmp_path / "some" / "train.jsonl")]
    assert some == [one["chunk_id"] for one in read(tmp_path / "all" / "train.jsonl")][: len(some)]


def test_every_kind_of_space_counts_as_one_blank(tmp_path):
    text = "Words between spaces. " * 12
    spaces = ["\n", "\t", "\u00a0", "\u2003", "\u3000", "\r\n", " \u2028 ", "\x0b", "\x0c", "\x85", "  "]
    rows = [{"text": text}, *({"text": space + text.replace(" ", space)} for space in spaces)]
    counts, chunks = chunk(tmp_path, rows)
    assert counts["duplicates"] == len(spaces)
    assert len(chunks) == 1


def test_the_record_holds_settings_and_digests(tmp_path):
    chunk(tmp_path, passages(20), max_chunks=10)
    record = json.loads((tmp_path / "out" / "chunks.json").read_text())
    assert record["settings"]["max_chunks"] == 10
    assert record["input"][0]["file"] == "crawl.jsonl"
    for name, side in record["outputs"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert side == {
            "rows": content.count(b"\n"),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def test_a_folder_of_files_may_hold_several_formats(tmp_path):
    folder = tmp_path / "it's a crawl"
    folder.mkdir()
    write(folder / "a.jsonl", passages(5))
    write(folder / "b.jsonl", [{"body_text": "Page. " + SENTENCE * 4}])
    made = make_chunks(folder, tmp_path / "out", Settings())
    assert made["counts"]["rows"] == 6
    assert len(sides(tmp_path / "out")) == 6


def test_rows_of_ten_megabytes_are_cut(tmp_path):
    body = "".join(f"Sentence {number} of a very long page. " for number in range(280_000))
    assert len(body) > 10_000_000
    counts, chunks = chunk(tmp_path, [{"body_text": body, "url": "u"}, {"body_text": body + "End."}], max_chunks=10**6)
    assert counts["rows"] == 2
    assert all(200 <= len(one["text"]) <= 1600 for one in chunks)


def test_a_bad_row_far_down_is_named_with_its_line(tmp_path):
    rows = [json.dumps(row) for row in passages(60_000)]
    (tmp_path / "crawl.jsonl").write_text("\n".join([*rows, '{"text": "cut sho']))
    with pytest.raises(DataError) as error:
        make_chunks(tmp_path / "crawl.jsonl", tmp_path / "out", Settings())
    assert str(error.value).startswith("crawl.jsonl:60001: not JSON")
    assert not (tmp_path / "out").exists()


GOOD = json.dumps(passages(1)[0]).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "crawl.jsonl is empty."),
        (b"\n \n", "crawl.jsonl is empty."),
        (GOOD + b'{"text": "The end is mis', "crawl.jsonl:2: not JSON (Unterminated string starting at); is the file"),
        (GOOD + b"\n" + b'{"body_text": "x"}\n', 'crawl.jsonl:3: a page with "body_text", and crawl.jsonl:1 is a row'),
        (b'{"body_text": "x"}\n' + GOOD, 'crawl.jsonl:2: a row with "text", and crawl.jsonl:1 is a page with "body'),
        (b'{"chunks": []}\n' + GOOD, 'crawl.jsonl:2: a row with "text", and crawl.jsonl:1 is a page with "chunks"'),
        (GOOD + b'{"chunks": []}\n', 'crawl.jsonl:2: a page with "chunks", and crawl.jsonl:1 is a row with "text"'),
        (GOOD + b'{"text": "a\\u0000b"}\n', 'crawl.jsonl:2: "text" holds a NUL byte.'),
        (GOOD + b'{"text": "a\x00b"}\n', "crawl.jsonl:2: holds a NUL byte."),
        (GOOD + b'{"text": "a\\ud800b"}\n', "crawl.jsonl:2: holds a lone surrogate, which is no character."),
        (GOOD + b'{"text": "ab", "note": "\\ud800"}\n', "crawl.jsonl:2: holds a lone surrogate"),
        (GOOD + b'{"text": "a\xffb"}\n', "crawl.jsonl:2: not UTF-8 (byte 0xff)."),
        (b"\xef\xbb\xbf" + GOOD, "crawl.jsonl:1: starts with a byte order mark; save it as plain UTF-8."),
        (GOOD + b'{"title": "x"}\n', "crawl.jsonl:2: row has none of chunks, body_text, text (found: title)."),
        (b'{"title": "x"}\n', "crawl.jsonl:1: row has none of chunks, body_text, text (found: title)."),
        (GOOD + b'{"text": null}\n', "crawl.jsonl:2: row has none of chunks, body_text, text (found: text)."),
        (GOOD + b'{"text": 3}\n', 'crawl.jsonl:2: "text" is int, not text.'),
        (GOOD + b'{"text": ["x"]}\n', 'crawl.jsonl:2: "text" is list, not text.'),
        (GOOD + b"3\n", "crawl.jsonl:2: row is int, not an object."),
        (GOOD + b'[{"text": "x"}]\n', "crawl.jsonl:2: row is list, not an object."),
        (GOOD + b'{"text": "x", "url": 7}\n', 'crawl.jsonl:2: "url" is int, not text.'),
        (GOOD + b'{"text": "x", "chunk_id": NaN}\n', 'crawl.jsonl:2: "chunk_id" is float, neither text nor a whole'),
        (GOOD + b'{"text": "x", "section_path": {}}\n', 'crawl.jsonl:2: "section_path" is dict, neither text nor a'),
        (b'{"chunks": {}}\n', 'crawl.jsonl:1: "chunks" is dict, not a list.'),
        (b'{"chunks": []}\n{"chunks": 3}\n', 'crawl.jsonl:2: "chunks" is int, not a list.'),
        (b'{"chunks": []}\n{"chunks": ["x"]}\n', "crawl.jsonl:2: chunks[1] is str, not an object."),
        (b'{"chunks": []}\n{"chunks": [{"text": "x"}, {"id": 1}]}\n', 'crawl.jsonl:2: chunks[2] has no "text" (found: id)'),
        (b'{"chunks": []}\n{"chunks": [{"text": 1}]}\n', 'crawl.jsonl:2: chunks[1]: "text" is int, not text.'),
        (b'{"text": "short"}\n{"text": ""}\n', "crawl.jsonl: nothing is left of 2 rows: 2 texts are shorter than 200"),
        (b'{"chunks": []}\n', "crawl.jsonl: nothing is left of 1 rows: 0 texts are shorter than 200 characters, 1 pages"),
        (GOOD + b'{"text": "x", "other": "' + b"y" * 2**27 + b'"}\n', "crawl.jsonl:2: row has 134,217,"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_their_line_and_leave_nothing_behind(tmp_path, content, told):
    (tmp_path / "crawl.jsonl").write_bytes(content)
    with pytest.raises(DataError) as error:
        make_chunks(tmp_path / "crawl.jsonl", tmp_path / "out", Settings())
    assert str(error.value).startswith(told)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crawl.jsonl"]


def test_a_failure_leaves_earlier_output_as_it_was(tmp_path):
    chunk(tmp_path, passages(5))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(DataError):
        chunk(tmp_path, [*passages(9), {"text": 3}])
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_missing_input_and_impossible_output_are_told(tmp_path):
    crawl = write(tmp_path / "crawl.jsonl", passages(3))
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").write_text("mine")
    for given, out, told in (
        (tmp_path / "nowhere.jsonl", tmp_path / "out", "nowhere.jsonl does not exist."),
        (tmp_path / "empty", tmp_path / "out", "empty holds no .jsonl file."),
        (crawl, tmp_path / "taken", "taken is a file, and a folder is to be written there."),
        (crawl, tmp_path, "holds the input too, and would be read with it."),
    ):
        with pytest.raises(DataError) as error:
            make_chunks(given, out, Settings())
        assert error.value.problem.endswith(told)
    assert (tmp_path / "taken").read_text() == "mine"
