"""`harness data chunks`, `mix`, `split` and `check`, as a user runs them: real files, one clear error per bad input."""

import json

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import DataError, HarnessError
from tests.dumps import answer, question, write_dump
from tests.projects import ROOT, run_harness, write_project
from tests.row_files import read, write
from tests.stackexchange_server import Site, serving
from tests.stackexchange_server import answer as asked_answer
from tests.stackexchange_server import question as asked_question
from tests.word_tokenizer import tokenizer_of_words


def run(*arguments, status=0):
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    assert result.exit_code == status, (result.output, result.exception)
    return result.stdout


def error_of(*arguments):
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    assert isinstance(result.exception, HarnessError), (result.output, result.exception)
    assert result.stdout == ""
    return result.exception.problem


def questions(count, words=6):
    return [{"instruction": f"Question {n:03}?", "output": "word " * words + f"{n:03}"} for n in range(count)]


def texts(count, words=20):
    return [{"text": f"Text {n:03} " + "river " * words, "url": f"u{n % 10}", "source": "crawl"} for n in range(count)]


# ---- chunks -------------------------------------------------------------------------------------------


def passages(count):
    text = "The Danube flows through ten countries and ends in the Black Sea. " * 3
    return [{"text": f"Passage {number} is about rivers. {text}", "chunk_id": f"r-{number}"} for number in range(count)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-chars", "100"], "--max-chars 100 is below --min-chars 200."),
        (["--min-chars", "0"], "--min-chars 0: a chunk has at least one character."),
        (["--min-chars", "-5"], "--min-chars -5: a chunk has at least one character."),
        (["--max-chunks", "0"], "--max-chunks 0: nothing would be written."),
        (["--eval-ratio", "0"], "--eval-ratio 0.0 is not between 0 and 1."),
        (["--eval-ratio", "1"], "--eval-ratio 1.0 is not between 0 and 1."),
        (["--eval-ratio", "nan"], "--eval-ratio nan is not between 0 and 1."),
    ],
)
def test_wrong_options_of_chunks_are_told(tmp_path, options, told):
    write(tmp_path / "crawl.jsonl", passages(3))
    result = CliRunner().invoke(
        app, ["data", "chunks", str(tmp_path / "crawl.jsonl"), "--output-dir", str(tmp_path / "out"), *options]
    )
    assert isinstance(result.exception, DataError)
    assert result.exception.problem == told
    assert not (tmp_path / "out").exists()


def test_chunks_prints_counts_and_ends_with_two_on_bad_input(tmp_path):
    write(tmp_path / "crawl.jsonl", passages(30))
    arguments = ["data", "chunks", "crawl.jsonl", "--output-dir", "out"]
    found = run_harness(tmp_path, *arguments)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert ["rows", "30"] in [line.split() for line in found.stdout.splitlines()]
    found = run_harness(tmp_path, *arguments, "--json")
    assert json.loads(found.stdout)["counts"]["rows"] == 30
    found = run_harness(tmp_path, *arguments, "--max-chunks", "0")
    assert found.returncode == 2
    assert found.stderr.startswith("DataError: --max-chunks 0")
    assert found.stdout == ""


# ---- mix ----------------------------------------------------------------------------------------------


def test_a_mix_reaches_its_shares_with_whole_rows(tmp_path):
    a, b = write(tmp_path / "a.jsonl", questions(400)), write(tmp_path / "b.jsonl", texts(100))
    told = json.loads(run("mix", f"{a}:0.25", f"{b}:0.75", "--output", tmp_path / "mix.jsonl", "--json"))
    mixed = read(tmp_path / "mix.jsonl")
    assert [part["rows"] for part in told] == [sum("output" in row for row in mixed), 100]
    assert abs(told[0]["share"] - 0.25) < 0.005
    chars = sum(len(row["instruction"]) + 1 + len(row["output"]) for row in mixed if "output" in row)
    assert told[0]["size"] == chars
    assert {row["source"] for row in mixed if "output" in row} == {"a"}
    assert {json.dumps(row) for row in mixed if "text" in row} == {json.dumps(row) for row in texts(100)}


def test_a_mix_is_interleaved_and_follows_its_seed(tmp_path):
    a, b = write(tmp_path / "a.jsonl", texts(100)), write(tmp_path / "b.jsonl", questions(400))
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        run("mix", f"{a}:0.5", f"{b}:0.5", "--output", tmp_path / name, "--seed", seed)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "same").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()
    kinds = ["text" in row for row in read(tmp_path / "one")]
    assert sum(one != other for one, other in zip(kinds, kinds[1:], strict=False)) > 50


def test_a_mix_of_so_many_rows_keeps_its_shares(tmp_path):
    a, b = write(tmp_path / "a.jsonl", questions(400)), write(tmp_path / "b.jsonl", texts(400))
    told = json.loads(run("mix", f"{a}:0.5", f"{b}:0.5", "--output", tmp_path / "m", "--rows", 200, "--json"))
    assert len(read(tmp_path / "m")) == 200
    assert abs(told[0]["share"] - 0.5) < 0.01
    assert "the mix has " in error_of("mix", f"{a}:0.5", f"{b}:0.5", "--output", tmp_path / "n", "--rows", 900)
    assert not (tmp_path / "n").exists()


def test_a_mix_by_tokens_counts_with_the_tokenizer(tmp_path):
    pytest.importorskip("transformers")
    tokenizer = tokenizer_of_words(tmp_path / "tokenizer")
    a, b = write(tmp_path / "a.jsonl", texts(50, words=10)), write(tmp_path / "b.jsonl", texts(50, words=40))
    told = json.loads(
        run(
            "mix",
            f"{a}:0.2",
            f"{b}:0.8",
            "--output",
            tmp_path / "m",
            "--by",
            "tokens",
            "--tokenizer",
            tokenizer,
            "--json",
        )
    )
    assert [part["size"] for part in told] == [part["rows"] * words for part, words in zip(told, (12, 42), strict=True)]
    assert told[0]["unit"] == "tokens"


def test_files_of_one_name_are_told_apart(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "rows.jsonl", questions(20))
    run("mix", f"{tmp_path}/one/rows.jsonl:0.5", f"{tmp_path}/two/rows.jsonl:0.5", "--output", tmp_path / "m")
    assert {row["source"] for row in read(tmp_path / "m")} == {"one/rows", "two/rows"}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["a.jsonl:0.5", "b.jsonl:0.4"], "shares 0.5, 0.4 sum to 0.9, not 1."),
        (["a.jsonl:0.6", "b.jsonl:0.6"], "shares 0.6, 0.6 sum to 1.2, not 1."),
        (["a.jsonl:0", "b.jsonl:1"], "a.jsonl:0: share 0 is not above 0 and at most 1."),
        (["a.jsonl:-1", "b.jsonl:2"], "a.jsonl:-1: share -1 is not above 0 and at most 1."),
        (["a.jsonl:nan", "b.jsonl:1"], "a.jsonl:nan: share nan is not above 0 and at most 1."),
        (["a.jsonl:0.5", "./a.jsonl:0.5"], "a.jsonl is given twice."),
        (["a.jsonl", "b.jsonl:1"], "a.jsonl: no share is given."),
        (["a.jsonl:half", "b.jsonl:0.5"], "a.jsonl:half: no share is given."),
        (["a.jsonl:0.5", "nowhere.jsonl:0.5"], "nowhere.jsonl cannot be read: No such file or directory."),
        (["a.jsonl:0.5", "empty.jsonl:0.5"], "empty.jsonl is empty."),
        (["a.jsonl:0.5", "bad.jsonl:0.5"], 'bad.jsonl:2: row has no "output" (found: instruction).'),
        (["a.jsonl:0.5", "blank.jsonl:0.5"], 'blank.jsonl:1: "text" is empty.'),
        (["a.jsonl:0.5", "list.json:0.5"], "list.json holds a JSON list; JSON lines are read here."),
    ],
)
def test_bad_mixes_are_told(tmp_path, monkeypatch, parts, told):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", questions(4))
    write(tmp_path / "b.jsonl", texts(4))
    write(tmp_path / "bad.jsonl", [*questions(1), {"instruction": "And?"}])
    write(tmp_path / "blank.jsonl", [{"text": " "}])
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "list.json").write_text("[]")
    assert error_of("mix", *parts, "--output", "out/mix.jsonl") == told
    assert not (tmp_path / "out").exists()


def test_wrong_options_of_a_mix_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", questions(4))
    both = ["mix", "a.jsonl:1"]
    assert error_of(*both, "--output", "m", "--by", "words") == "--by words: shares are of chars or tokens."
    assert error_of(*both, "--output", "m", "--by", "tokens") == "--by tokens needs a --tokenizer."
    assert error_of(*both, "--output", "m", "--tokenizer", "x") == "--by chars uses no --tokenizer."
    assert error_of(*both, "--output", "a.jsonl") == "a.jsonl is one of the files to be mixed."
    assert error_of(*both, "--output", "m", "--rows", 0) == "--rows 0: 1 files give at least one row each."
    (tmp_path / "no_tokenizer").mkdir()
    told = error_of(*both, "--output", "m", "--by", "tokens", "--tokenizer", "no_tokenizer")
    assert told.startswith("--tokenizer no_tokenizer cannot be loaded: ")


# ---- split --------------------------------------------------------------------------------------------


def test_a_split_keeps_every_row_and_equal_texts_together(tmp_path):
    rows = texts(100) + [{**row, "url": "elsewhere"} for row in texts(30)]
    file = write(tmp_path / "rows.jsonl", rows)
    sides = json.loads(run("split", file, "--output-dir", tmp_path / "out", "--eval-ratio", 0.1, "--json"))
    train, held_out = read(tmp_path / "out" / "train.jsonl"), read(tmp_path / "out" / "eval.jsonl")
    assert (sides["train"]["rows"], sides["eval"]["rows"]) == (len(train), len(held_out)) == (117, 13)
    assert not {row["text"] for row in train} & {row["text"] for row in held_out}
    assert sorted(map(json.dumps, train + held_out)) == sorted(map(json.dumps, rows))


def test_a_split_by_a_field_keeps_groups_and_the_texts_they_share_together(tmp_path):
    rows = texts(100)
    rows.append({**rows[1], "url": "u0"})  # u0 and u1 share a text, and so belong together
    file = write(tmp_path / "rows.jsonl", rows)
    run("split", file, "--output-dir", tmp_path / "out", "--eval-rows", 30, "--by", "url")
    train, held_out = read(tmp_path / "out" / "train.jsonl"), read(tmp_path / "out" / "eval.jsonl")
    assert len(held_out) == 30
    assert not {row["url"] for row in train} & {row["url"] for row in held_out}
    assert not {row["text"] for row in train} & {row["text"] for row in held_out}


def test_a_split_does_not_depend_on_the_order_of_rows(tmp_path):
    for name, rows in (("a", texts(60)), ("b", texts(60)[::-1])):
        file = write(tmp_path / f"{name}.jsonl", rows)
        run("split", file, "--output-dir", tmp_path / name, "--eval-rows", 9)
    held_out = [{row["text"] for row in read(tmp_path / name / "eval.jsonl")} for name in "ab"]
    assert held_out[0] == held_out[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "how much is held out must be given once."),
        (["--eval-ratio", "0.1", "--eval-rows", "1"], "how much is held out must be given once."),
        (["--eval-ratio", "1.5"], "--eval-ratio 1.5 is not between 0 and 1."),
        (["--eval-ratio", "0.001"], "--eval-ratio 0.001: 0 of 20 rows would be held out; some must be on both sides."),
        (["--eval-rows", "20"], "rows.jsonl: 20 of 20 rows cannot be held out; some must be left on both sides."),
        (["--eval-rows", "3", "--by", "url"], "whole groups fill 2 of the 3 rows to be held out"),
        (["--eval-rows", "3", "--by", "author"], 'rows.jsonl:1: row has no "author" to split by (found: text, url, source)'),
    ],
)  # fmt: skip
def test_bad_splits_are_told(tmp_path, options, told):
    file = write(tmp_path / "rows.jsonl", texts(20))
    assert told in error_of("split", file, "--output-dir", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_a_split_does_not_replace_its_own_file(tmp_path):
    file = write(tmp_path / "train.jsonl", texts(20))
    assert "would be replaced by its own part" in error_of("split", file, "--output-dir", tmp_path, "--eval-rows", 2)
    assert read(file) == texts(20)


# ---- check --------------------------------------------------------------------------------------------

FORMATS = [
    {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]},
    {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]},
    {"instruction": "Say hello.", "output": "Hello.", "input": ""},
    {"prompt": "Hi?", "completion": "Hello."},
    {"input": "Danube [SEP] mouth", "output": [{"answer": "Black Sea"}]},
    {"text": "<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>"},
    {"text": "Plain text.", "input": "unused"},
]


def test_check_counts_formats_duplicates_and_lengths(tmp_path):
    rows = [*FORMATS, {"text": "Plain text.", "id": 1}, {"text": "x" * 100, "id": 1}]
    found = json.loads(run("check", write(tmp_path / "rows.jsonl", rows), "--no-suites", "--json"))
    named = ("messages", "ShareGPT", "Alpaca", "prompt/completion", "KILT", "ChatML")
    assert found["formats"] == {"text": 3, **dict.fromkeys(named, 1)}
    assert (found["rows"], found["bad"], found["duplicate_ids"]) == (9, 0, 1)
    assert found["duplicate_texts"] == 4  # "Hi?\nHello." four times, "Plain text." twice
    assert (found["chars"]["min"], found["chars"]["max"]) == (10, 100)
    assert found["tokens"] is None


def test_check_lists_the_first_bad_rows_counts_all_and_ends_with_one(tmp_path):
    file = tmp_path / "rows.jsonl"
    good = json.dumps(FORMATS[3]).encode()
    bad = [b'{"a": 1}', b'{"text": "a\xff"}', b'{"text": "a\x00"}', b'{"text": "\\ud800"}', b"[1]", b'{"text": ""}']
    file.write_bytes(b"\n".join([good, *bad, *[b"{}"] * 30, good, b'{"text": "cut sho']))
    output = run("check", file, "--no-suites", status=1)
    assert output.startswith(f"{file}: 39 rows, 37 of them bad\n")
    assert "  rows.jsonl:3: not UTF-8 (byte 0xff)\n" in output
    assert "  rows.jsonl:4: holds a NUL byte\n" in output
    assert '  rows.jsonl:5: "text" holds a lone surrogate, which is no character\n' in output
    assert "  rows.jsonl:6: row is list, not an object\n" in output
    assert "  and 17 more\n" in output
    found = json.loads(run("check", file, "--no-suites", "--json", status=1))
    assert (found["bad"], len(found["bad_rows"])) == (37, 20)


def test_check_tells_the_share_of_truncated_rows(tmp_path):
    pytest.importorskip("transformers")
    file = write(tmp_path / "rows.jsonl", [*texts(3, words=8), *texts(1, words=98)])
    tokenizer = tokenizer_of_words(tmp_path / "tokenizer")
    arguments = ["check", file, "--no-suites", "--tokenizer", tokenizer, "--max-length"]
    found = json.loads(run(*arguments, 50, "--json"))
    assert found["tokens"] == {"min": 10, "median": 10, "p95": 10, "max": 100}
    assert found["truncated"] == 0.25
    assert "longer than 100 tokens: 0.00% of rows" in run(*arguments, 100)


def project_with_items(tmp_path):
    """A project of one suite, whose items are answers of its own instructions."""
    root = write_project(tmp_path / "project")
    suite = root / "suites" / "test_look.py"
    suite.write_text(
        suite.read_text()
        .replace("from recipes.datasets import PROMPTS", "from recipes.datasets import TALK")
        .replace("dataset=PROMPTS", "dataset=TALK")
        .replace('prompt=row["prompt"])', 'prompt=row["instruction"], target=row["output"])')
    )
    return root


def test_check_finds_evaluation_items_among_the_rows_and_ends_with_one(tmp_path):
    root = project_with_items(tmp_path)
    items = read(ROOT / "harness" / "data" / "mini" / "instructions.jsonl")
    long = [row for row in items if len(row["output"].split()) >= 12][:2]
    half = " ".join(long[1]["output"].split()[:9])
    rows = [
        *texts(5),
        {"text": f"As they say: {long[0]['output'].upper()}"},
        {"text": f"Half of it: {half} and no more."},
    ]
    file = write(tmp_path / "rows.jsonl", rows)
    found = run_harness(root, "data", "check", str(file), "--json")
    assert found.returncode == 1, found.stderr
    (look,) = json.loads(found.stdout)["suites"]
    assert (look["suite"], look["touched"], look["contained"]) == ("look", 2, 1)
    assert look["where"] == [f"rows.jsonl:6 contains look: {long[0]['id']}"]
    clean = run_harness(root, "data", "check", str(write(tmp_path / "clean.jsonl", texts(5))))
    assert clean.returncode == 0, clean.stderr
    assert clean.stdout.splitlines()[-1].split()[-2:] == ["0", "0"]


def test_check_says_which_suites_data_is_not_at_hand(tmp_path):
    root = project_with_items(tmp_path)
    file = write(tmp_path / "rows.jsonl", texts(5))
    found = run_harness(root, "data", "check", str(file), "--scale", "small")
    assert found.returncode == 0, found.stderr
    assert "suite look: not checked: dataset talk has no small source (it has: tiny, mini)." in found.stdout


def test_wrong_options_of_check_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.jsonl", texts(5))
    assert "is in no project" in error_of("check", "rows.jsonl")
    assert error_of("check", "rows.jsonl", "--scale", "huge") == "--scale huge: there is no such scale."
    assert error_of("check", "rows.jsonl", "--data-root", "nowhere") == "--data-root nowhere: no such folder."
    assert error_of("check", "rows.jsonl", "--max-length", 0) == "--max-length 0: a row has at least one token."
    assert error_of("check", "nowhere.jsonl", "--no-suites").startswith("nowhere.jsonl cannot be read")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert error_of("check", "empty.jsonl", "--no-suites") == "empty.jsonl is empty."


# ---- stackexchange ------------------------------------------------------------------------------------


def test_a_dump_s_questions_are_written_and_counted(tmp_path):
    posts = [question(1, Score=9, AcceptedAnswerId=2), answer(2, 1), question(3, Score=1), question(4, Score=9)]
    dump = write_dump(tmp_path / "Posts.xml", posts)
    given = [
        "data",
        "stackexchange",
        str(dump),
        "--output",
        str(tmp_path / "rows.jsonl"),
        "--min-score",
        "2",
        "--site",
        "stats.stackexchange.com",
    ]
    found = run_harness(tmp_path, *given)
    assert found.returncode == 0, found.stderr
    told = dict(line.rsplit(maxsplit=1) for line in found.stdout.splitlines()[1:])
    assert {name.strip(): count for name, count in told.items()} == {
        "posts": "4", "questions": "3", "wanted by tags and score": "2", "left out: no such answer": "1", "written": "1",
    }  # fmt: skip
    assert [row["id"] for row in read(tmp_path / "rows.jsonl")] == ["stats-1"]
    [told] = [json.loads(run_harness(tmp_path, *given, "--json").stdout)]
    assert told == {"posts": 4, "questions": 3, "wanted": 2, "rows": 1, "left_out": {"no such answer": 1}}
    missing = run_harness(tmp_path, "data", "stackexchange", "none.xml", "--output", "rows.jsonl", "--site", "a.b")
    assert (missing.returncode, missing.stderr.startswith("DataError: none.xml does not exist.")) == (2, True)


def test_without_a_dump_the_api_is_asked(tmp_path):
    site = Site([asked_question(1, 9)], [asked_answer(2, 1)])
    with serving(site) as url:
        found = run_harness(
            tmp_path,
            "data",
            "stackexchange",
            "--output",
            "rows.jsonl",
            "--api-url",
            url,
            "--tags",
            "R, anova",
            "--site",
            "stats.stackexchange.com",
        )
    assert found.returncode == 0, found.stderr
    assert [row["answer"] for row in read(tmp_path / "rows.jsonl")] == ["By answer 2."]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
