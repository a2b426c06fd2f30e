"""What is in a file: formats, lengths, duplicates, and evaluation items among its rows."""

import pytest

from harness.data.reading.formats import training_row
from harness.data.sources import Source
from harness.data.tools.checking import Items, Lengths, check, format_of
from tests.row_files import write

ITEM = "a duck can paddle quickly across a pond thanks to webbed feet"
TURNS = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]


def quiz(**texts):
    """Items that training rows must not contain whole."""
    return {"quiz": Items(texts, texts)}


def words(texts):
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"messages": TURNS, "text": "unused", "prompt": "unused"}, "messages"),
        ({"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]}, "ShareGPT"),
        ({"instruction": "Hi?", "output": "Hello.", "text": "unused"}, "Alpaca"),
        ({"instruction": "Hi?", "input": "x", "output": "Hello."}, "Alpaca"),
        ({"prompt": "Hi?", "completion": "Hello.", "input": "unused", "output": "unused"}, "prompt/completion"),
        ({"input": "Hi?", "output": "Hello.", "text": "unused"}, "KILT"),
        ({"text": "<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>"}, "ChatML"),
        ({"text": "Hello."}, "text"),
    ],
)
def test_a_row_of_two_formats_counts_as_the_one_that_it_is_read_as(row, name):
    read = training_row(row, Source())
    assert format_of(row) == name
    assert ("messages" in read) == (name != "text")


def test_lengths_are_quantiles_that_some_row_has(tmp_path):
    found = check(write(tmp_path / "rows.jsonl", [{"text": "x" * n} for n in range(1, 101)]), {}, None, 1024)
    assert found.chars == Lengths(min=1, median=50, p95=95, max=100)
    assert (found.tokens, found.max_length, found.truncated) == (None, None, None)


def test_rows_longer_than_training_takes_are_a_share(tmp_path):
    file = write(tmp_path / "rows.jsonl", [{"text": "word " * n} for n in (1, 4, 5, 6)])
    found = check(file, {}, words, 4)
    assert (found.tokens, found.max_length, found.truncated) == (Lengths(1, 4, 5, 6), 4, 0.5)


def test_a_file_of_bad_rows_alone_has_no_lengths(tmp_path):
    found = check(write(tmp_path / "rows.jsonl", [{"a": 1}, {"text": ""}]), {}, words, 4)
    assert (found.rows, found.bad, found.chars, found.tokens, found.truncated) == (2, 2, None, None, None)
    assert found.bad_rows[1] == 'rows.jsonl:2: "text" is empty'


def test_an_item_is_found_whole_with_the_first_row_that_holds_it(tmp_path):
    rows = [{"text": "nothing of it"}, {"text": f"It is said: {ITEM.upper()}!"}, {"text": ITEM}]
    (found,) = check(write(tmp_path / "rows.jsonl", rows), quiz(q1=ITEM, q2="of other things entirely"), None, 9).suites
    assert (found.suite, found.items, found.touched, found.contained) == ("quiz", 2, 1, 1)
    assert found.where == ["rows.jsonl:2 contains quiz: q1"]


def test_pieces_of_an_item_in_several_rows_are_no_whole(tmp_path):
    told = ITEM.split()
    rows = [{"text": " ".join(told[start : start + 8])} for start in range(len(told) - 7)]
    (found,) = check(write(tmp_path / "rows.jsonl", rows), quiz(q1=ITEM), None, 9).suites
    assert (found.touched, found.contained) == (1, 0)


def test_an_item_of_fewer_than_eight_words_is_touched_and_never_contained(tmp_path):
    (found,) = check(
        write(tmp_path / "rows.jsonl", [{"text": "The sky is blue."}]), quiz(q1="sky is blue"), None, 9
    ).suites
    assert (found.touched, found.contained, found.where) == (1, 0, [])


def test_what_must_not_be_contained_may_be_less_than_the_item(tmp_path):
    items = {"quiz": Items({"q1": f"{ITEM} and the answer is B"}, {"q1": ITEM})}
    (found,) = check(write(tmp_path / "rows.jsonl", [{"text": ITEM}]), items, None, 9).suites
    assert (found.touched, found.contained) == (1, 1)


def test_rows_that_quote_control_tokens_are_counted(tmp_path):
    rows = [{"text": "It ends with <|endoftext|> here."}, {"text": "[INST] is Mistral's."}, {"text": "a < b | c > d"}]
    assert check(write(tmp_path / "rows.jsonl", rows), {}, None, 1024).control_tokens == 2


def test_a_file_is_read_as_training_reads_it(tmp_path):
    found = check(write(tmp_path / "rows.txt", "One.\r\n\r\nTwo.\r\n"), {}, None, 1024)
    assert (found.rows, found.formats) == (2, {"text": 2})
