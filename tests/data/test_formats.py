"""Rows in every format that users have, read as one; and every way in which a row can be wrong."""

import pytest

from harness.data.reading.formats import BadRow, training_row
from harness.data.sources import Source

HELLO = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]


USER, ASSISTANT, SYSTEM = HELLO[0], HELLO[1], {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": HELLO},
        {"conversations": [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}]},
        {"conversations": HELLO, "tools": "[]", "system": None},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello?"}]}, {**HELLO[1], "weight": 1}]},
        {"text": "<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n"},
        {"instruction": "Hello?", "input": "", "output": "Hi."},
        {"prompt": "Hello?", "completion": "Hi."},
        {"prompt": [HELLO[0]], "completion": [HELLO[1]]},
        {"id": "wow-1", "input": "Hello?", "output": [{"provenance": []}, {"answer": "Hi."}, {"answer": "Hey."}]},
    ],
    ids=[
        "messages",
        "sharegpt",
        "sharegpt-role-content",
        "openai-parts",
        "chatml",
        "alpaca",
        "prompt-completion",
        "prompt-completion-turns",
        "kilt",
    ],
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
        ({"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello th"}, "ends inside a turn"),
        ({"text": "Look: <|im_start|>user\nHi<|im_end|>"}, "words outside of its turns: 'Look:'"),
        ({"messages": [USER, {**ASSISTANT, "weight": 0.5}]}, '"weight" is 0.5; a turn has weight 0 or 1'),
        ({"messages": [USER, {**ASSISTANT, "weight": 0}]}, "every turn of the assistant has weight 0"),
        ({"messages": [USER, {**ASSISTANT, "tool_calls": [{"id": "1"}]}]}, '"tool_calls" is not trained on'),
        ({"messages": [USER, {**ASSISTANT, "reasoning_content": "Hm."}]}, '"reasoning_content" is not trained on'),
        ({"messages": HELLO, "tools": [{"type": "function"}]}, '"tools" is not trained on'),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT]}, "a part of type 'image_url'"),
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


def test_a_turn_of_weight_0_keeps_its_weight():
    turns = [USER, {**ASSISTANT, "weight": 0}, {"role": "user", "content": "Again?"}, {**ASSISTANT, "weight": 1}]
    read = training_row({"messages": turns}, Source())["messages"]
    assert [turn.get("weight") for turn in read] == [None, 0, None, None]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": HELLO},
        {"conversations": HELLO},
        {"prompt": "Hello?", "completion": "Hi."},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"instruction": "Hello?", "output": "Hi."},
    ],
)
def test_a_system_prompt_beside_the_turns_leads_them(row):
    assert training_row({**row, "system": "Be brief."}, Source())["messages"] == [SYSTEM, *HELLO]


@pytest.mark.parametrize("nothing", [None, "", False, [], "null", "[]"])
def test_a_field_that_says_that_there_is_nothing_loses_nothing(nothing):
    assert training_row({"messages": HELLO, "tools": nothing, "thinking": nothing}, Source())["messages"] == HELLO
