"""Rows as users have them: read, checked, ranked and mixed; and every way in which a file can be wrong."""

import json

import pytest

from harness import Dataset, Embedded, Files, Hub, Mix, Sample, Suite
from harness.data.reading.formats import BadRow, row_text, training_row
from harness.data.overlap.ngrams import check_contained
from harness.data.reading.rows import Access, load, read_file
from harness.data.sources import Source
from harness.errors import DataError, SuiteError
from harness.scoring import fitness
from harness.suite import samples_of

HELLO = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]


def write(folder, name, rows):
    """A file of rows; text and bytes as they are, lists as JSON lines."""
    if isinstance(rows, list):
        rows = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name).write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return folder / name


def dataset(name="rows.jsonl", **reads):
    return Dataset(name="d", mini=Files(name, **reads))


def texts(wanted, folder, **access):
    return [row_text(row) for row in load(wanted, Access("mini", folder, **access)).rows]


# ---- formats ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"messages": HELLO},
        {"conversations": [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}]},
        {"text": "<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n"},
        {"instruction": "Hello?", "input": "", "output": "Hi."},
        {"prompt": "Hello?", "completion": "Hi."},
        {"prompt": [HELLO[0]], "completion": [HELLO[1]]},
        {"id": "wow-1", "input": "Hello?", "output": [{"provenance": []}, {"answer": "Hi."}, {"answer": "Hey."}]},
    ],
    ids=["messages", "sharegpt", "chatml", "alpaca", "prompt-completion", "prompt-completion-turns", "kilt"],
)
def test_every_format_reads_as_the_same_conversation(row):
    assert training_row(row, Source()) == {"messages": HELLO}


def test_alpacas_input_follows_the_instruction_and_its_system_prompt_leads():
    row = {"instruction": "Sum.", "input": "1 2", "output": "3", "system": "Be brief."}
    told = [(m["role"], m["content"]) for m in training_row(row, Source())["messages"]]
    assert told == [("system", "Be brief."), ("user", "Sum.\n\n1 2"), ("assistant", "3")]


def test_a_row_of_llama_factory_keeps_its_system_prompt_and_its_history():
    row = {"instruction": "And 2?", "input": "", "output": "4", "system": "Be brief.", "history": [["Double 1.", "2"]]}
    told = [(m["role"], m["content"]) for m in training_row(row, Source())["messages"]]
    assert told == [
        ("system", "Be brief."), ("user", "Double 1."), ("assistant", "2"), ("user", "And 2?"), ("assistant", "4"),
    ]  # fmt: skip
    shared = {"conversations": [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}], "system": "Hm."}
    assert training_row(shared, Source())["messages"][0] == {"role": "system", "content": "Hm."}
    with pytest.raises(BadRow, match=r'"history" is not a list of \[instruction, response\] pairs'):
        training_row({**row, "history": ["Double 1."]}, Source())


def test_plain_text_and_templates_read_as_declared():
    row = {"title": "Danube", "text": "A river.", "output": [{"answer": "Black Sea"}]}
    assert training_row(row, Source(text="text")) == {"text": "A river."}
    turns = training_row(row, Source(prompt="Where does the {title} end?", completion="{output}"))["messages"]
    assert [m["content"] for m in turns] == ["Where does the Danube end?", "Black Sea"]


USER, ASSISTANT, SYSTEM = HELLO[0], HELLO[1], {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "Hello?", "answer": None}, r"none of messages, .* \(found: question, answer\)"),
        ({"instruction": "Sum.", "input": ""}, r'row has no "output" \(found: instruction, input\)'),
        ({"prompt": "Hello?", "completion": None}, r'row has no "completion" \(found: prompt\)'),
        ({"prompt": "Hello?", "completion": 3}, '"completion" is int, not text'),
        ({"instruction": "Sum.", "input": {"a": 1}, "output": "1"}, '"input" is dict, not text'),
        ({"instruction": "Sum.", "output": "1", "system": ["Be brief."]}, '"system" is list, not text'),
        ({"text": " \n"}, '"text" is empty'),
        ({"text": "a\x00b"}, '"text" holds a NUL byte'),
        ({"text": "a\ud800b"}, "lone surrogate"),
        ({"instruction": "Sum.", "input": "\x00", "output": "1"}, '"input" holds a NUL byte'),
        ({"input": "Hello?", "output": [{"answer": "a\ud800b"}]}, "lone surrogate"),
        ({"input": "Hello?", "output": [{"answer": " "}]}, '"output" holds no answer'),
        ({"messages": "Hello?"}, "is not a list of messages"),
        ({"messages": []}, "is not a list of messages"),
        ({"messages": ["Hello?"]}, '"messages" holds str, not messages'),
        ({"messages": [USER, {"role": "tool", "content": "x"}]}, "unknown role 'tool'"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, r"unknown role \['user'\]"),
        ({"messages": [SYSTEM, SYSTEM, USER, ASSISTANT]}, "there are two system messages"),
        ({"messages": [USER, SYSTEM, ASSISTANT]}, "a system message stands after the first place"),
        ({"messages": [ASSISTANT, USER, ASSISTANT]}, "the assistant speaks first"),
        ({"messages": [SYSTEM]}, "the assistant speaks first"),
        ({"messages": [USER, USER, ASSISTANT]}, "two turns in a row have the same role"),
        ({"messages": [USER, ASSISTANT, USER]}, "the last turn is the user's"),
        ({"messages": [USER, {"role": "assistant", "content": ""}]}, '"content" is empty'),
        ({"messages": [USER, {"role": "assistant"}]}, r'row has no "content" \(found: role\)'),
    ],
)
def test_a_bad_row_says_what_is_wrong(row, told):
    with pytest.raises(BadRow, match=told):
        training_row(row, Source())


def test_bad_rows_stop_the_reading_with_file_and_line_or_are_listed(tmp_path):
    write(tmp_path, "rows.jsonl", [{"text": "one"}, {"text": ""}, {"words": "two"}, {"text": "three"}])
    with pytest.raises(DataError, match=r'rows\.jsonl:2: "text" is empty') as error:
        texts(dataset(), tmp_path)
    assert "--skip-bad-rows" in error.value.remedy
    loaded = load(dataset(), Access("mini", tmp_path, skip_bad_rows=True))
    assert sorted(row["text"] for row in loaded.rows) == ["one", "three"]
    assert [told.split(":")[1] for told in loaded.left_out] == ["2", "3"]


# ---- files --------------------------------------------------------------------------------------------


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
    write(tmp_path, name, content)
    with pytest.raises(DataError, match=told):
        texts(dataset(name), tmp_path)


def test_a_missing_file_is_told_with_where_to_put_it(tmp_path):
    with pytest.raises(DataError, match=r"rows\.jsonl does not exist") as error:
        texts(dataset(), tmp_path)
    assert error.value.remedy == "Put rows.jsonl below --data-root."
    with pytest.raises(DataError, match="no data root is given"):
        texts(dataset(), None)


def test_a_byte_order_mark_blank_lines_and_line_separators_inside_text_are_no_rows(tmp_path):
    write(tmp_path, "rows.jsonl", '\ufeff{"text": "one\u2028more"}\n\n{"text": "two"}\r\n')
    found = list(read_file(tmp_path / "rows.jsonl"))
    assert found == [("rows.jsonl:1", {"text": "one\u2028more"}), ("rows.jsonl:3", {"text": "two"})]


def test_documents_of_a_text_file_know_their_first_line(tmp_path):
    write(tmp_path, "rows.txt", "One.\nStill one.\n---\n\nTwo.\n---\n \n---\nThree.\n")
    found = [(origin, row["text"]) for origin, row in read_file(tmp_path / "rows.txt", "---\n")]
    assert found == [("rows.txt:1", "One.\nStill one."), ("rows.txt:5", "Two."), ("rows.txt:9", "Three.")]


def test_a_json_list_and_json_lines_give_the_same_rows(tmp_path):
    rows = [{"text": "one"}, {"text": "two"}]
    write(tmp_path, "rows.jsonl", rows)
    write(tmp_path, "rows.json", json.dumps(rows, indent=1))
    assert texts(dataset("rows.jsonl"), tmp_path) == texts(dataset("rows.json"), tmp_path)


def test_a_hub_dataset_is_read_from_its_file_below_the_data_root(tmp_path):
    (tmp_path / "org/name").mkdir(parents=True)
    write(tmp_path, "org/name/test.jsonl", [{"text": "one"}])
    assert texts(Dataset(name="d", mini=Hub("org/name", split="test")), tmp_path) == ["one"]


# ---- choosing -----------------------------------------------------------------------------------------


def test_rows_are_picked_by_content_not_by_file_order(tmp_path):
    rows = [{"text": f"row {i}"} for i in range(50)]
    write(tmp_path, "rows.jsonl", rows)
    write(tmp_path, "turned.jsonl", rows[::-1])
    first = texts(dataset().rows(mini=10), tmp_path)
    assert first == texts(dataset("turned.jsonl").rows(mini=10), tmp_path)
    assert first == texts(dataset(), tmp_path)[:10]
    assert first != [row["text"] for row in rows[:10]]


def test_held_out_rows_lie_beyond_those_trained_on(tmp_path):
    write(tmp_path, "rows.jsonl", [{"text": f"row {i}"} for i in range(50)])
    trained = dataset().rows(mini=30)
    held_out = trained.held_out(1, mini=20)
    assert sorted(texts(trained, tmp_path) + texts(held_out, tmp_path)) == sorted(texts(dataset(), tmp_path))
    with pytest.raises(DataError, match=r"21 rows are asked for beyond the first 30, and rows\.jsonl has 50"):
        texts(trained.held_out(1, mini=21), tmp_path)


def test_the_same_text_twice_counts_once_and_is_listed(tmp_path):
    write(tmp_path, "rows.jsonl", [{"text": "one"}, {"text": "two"}, {"text": "one"}])
    loaded = load(dataset(), Access("mini", tmp_path))
    assert len(loaded.rows) == 2
    assert loaded.left_out == ["rows.jsonl:3: the same text as rows.jsonl:1"]


def test_only_require_and_min_chars_choose_rows(tmp_path):
    rows = [{"text": "long enough", "split": "train"}, {"text": "short", "split": "train"},
            {"text": "long enough too", "split": "test"}, {"text": "long, no tag", "split": "train", "tag": None}]  # fmt: skip
    write(tmp_path, "rows.jsonl", rows[:3])
    assert texts(dataset(only={"split": "train"}, min_chars=6), tmp_path) == ["long enough"]
    write(tmp_path, "rows.jsonl", [rows[0] | {"tag": "x"}, rows[3]])
    loaded = load(dataset(require="tag"), Access("mini", tmp_path))
    assert [row["text"] for row in loaded.rows] == ["long enough"]
    assert loaded.left_out == ['rows.jsonl:2: "tag" is null, and d requires it']


def test_shares_are_of_characters_and_the_scarcer_part_sets_the_sum(tmp_path):
    write(tmp_path, "rows.jsonl", [{"text": f"{i:010}"} for i in range(8)])  # 80 characters
    write(tmp_path, "long.jsonl", [{"text": f"{i:020}"} for i in range(100, 110)])  # 200 characters
    mixed = load(Mix(dataset().share(0.5), dataset("long.jsonl").share(0.5)), Access("mini", tmp_path)).rows
    assert sorted(len(row["text"]) for row in mixed) == [10] * 8 + [20] * 4  # 80 characters of each


def test_a_mix_is_drawn_together_and_knows_where_each_row_came_from(tmp_path):
    write(tmp_path, "a.jsonl", [{"text": f"a {i}"} for i in range(20)])
    write(tmp_path, "b.jsonl", [{"text": f"b {i}"} for i in range(20)])
    parts = Dataset(name="a", mini=Files("a.jsonl")), Dataset(name="b", mini=Files("b.jsonl"))
    rows = load(Mix(*parts), Access("mini", tmp_path)).rows
    sources = [row["source"] for row in rows]
    assert (sources.count("a"), sources.count("b")) == (20, 20)
    assert sources != sorted(sources)
    assert all(row["origin"].startswith(f"{row['source']}.jsonl:") for row in rows)


def test_nothing_falls_through_to_another_scale_or_corpus():
    with pytest.raises(DataError, match=r"dataset d has no full source \(it has: mini\)"):
        load(dataset(), Access("full"))
    with pytest.raises(DataError, match=r"no embedded corpus 'fact' \(known: .*facts"):
        load(Dataset(name="d", mini=Embedded("fact")), Access("mini"))
    with pytest.raises(DataError, match="0 rows at mini scale"):
        dataset().rows(mini=0)


# ---- samples and overlap ------------------------------------------------------------------------------


def suite(to_sample):
    return Suite(name="quiz", dataset=dataset(), to_sample=to_sample, scorer=fitness)


def test_duplicated_ids_are_an_error_that_names_both_rows(tmp_path):
    write(tmp_path, "rows.jsonl", [{"id": "q1", "text": "one"}, {"id": "q1", "text": "two"}])
    rows = load(dataset(), Access("mini", tmp_path), raw=True).rows
    with pytest.raises(SuiteError, match=r"suite quiz: id 'q1' occurs twice, at rows\.jsonl:\d and rows\.jsonl:\d"):
        samples_of(suite(lambda row: Sample(id=row["id"])), rows)


def test_a_row_that_makes_no_sample_is_named():
    with pytest.raises(SuiteError, match=r"rows\.jsonl:7: to_sample fails with KeyError: 'stem'"):
        samples_of(suite(lambda row: Sample(id=row["stem"])), [{"id": "q1", "origin": "rows.jsonl:7"}])


ITEM = {"quiz: q1": "A duck can paddle quickly across a pond thanks to webbed feet"}


def test_a_row_that_contains_a_whole_item_is_an_error_whatever_its_case_and_marks():
    row = {"text": "It is said: a DUCK can paddle, quickly, across a pond thanks to (webbed) feet!", "origin": "a:3"}
    with pytest.raises(DataError, match=r"wiki_only-mini: training rows contain .* a:3 contains quiz: q1"):
        check_contained([row], ITEM, "wiki_only-mini")


@pytest.mark.parametrize(
    "text",
    [
        "A duck can paddle quickly across a pond thanks to its flat bill",
        "A duck can paddle quickly across a pond thanks to webbed feetwear",
        "webbed feet",
    ],
)
def test_a_row_that_contains_less_than_a_whole_item_is_none(text):
    check_contained([{"text": text, "origin": "a:1"}], ITEM, "wiki_only-mini")


def test_items_of_fewer_than_eight_words_are_not_looked_for():
    check_contained([{"text": "The sky is blue", "origin": "a:1"}], {"quiz: q2": "the sky is blue"}, "x")
