"""A row in one of the usual formats -> a training row: a conversation (`messages`) or plain `text`.

The formats: `messages` and ShareGPT conversations, ChatML text, Alpaca, prompt/completion, KILT records, crawler
chunks and plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from harness.data.sources import Row, Source

Message = dict[str, Any]  # role, content; and weight, where it is 0

SHAREGPT_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
# Fields that say what a row or turn means, and that are not trained on.
LOST = ("tools", "functions", "tool_calls", "function_call", "reasoning_content", "reasoning", "thinking")
CHATML = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", re.DOTALL)
CONTROL = re.compile(r"<\|\w+\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")  # control tokens of chat templates, as text


class BadRow(ValueError):
    """What is wrong with one row, without its place; the reader adds file and line."""


def training_row(row: Mapping[str, Any], source: Source) -> Row:
    """The row as `{"messages": [...]}` or `{"text": ...}`.

    The source's templates or text field come first. Without them the first field below that the row has decides its
    format: a row with "instruction" and "text" is Alpaca. Raises BadRow, which says what is missing, or what of the row
    would be lost without a word.
    """
    if source.prompt is not None and source.completion is not None:
        return _turns(fill(source.prompt, row), fill(source.completion, row))
    if source.text is not None:
        return {"text": _string(row, source.text)}
    _nothing_lost(row)
    if "messages" in row:
        return {"messages": checked(_with_system(row, row["messages"]), "messages")}
    if "conversations" in row:
        return {"messages": checked(_with_system(row, row["conversations"]), "conversations")}
    if "instruction" in row:
        extra = _string(row, "input") if row.get("input") else ""
        instruction = _string(row, "instruction") + (f"\n\n{extra}" if extra else "")
        system = _string(row, "system") if row.get("system") else ""
        return _turns(instruction, _string(row, "output"), system, _history(row))
    if isinstance(row.get("prompt"), list) and isinstance(row.get("completion"), list):
        return {"messages": checked(_with_system(row, [*row["prompt"], *row["completion"]]), "prompt")}
    if "prompt" in row:
        system = _string(row, "system") if row.get("system") else ""
        return _turns(_string(row, "prompt"), _string(row, "completion"), system)
    if "input" in row and "output" in row:
        return _turns(_string(row, "input"), kilt_answer(row["output"]))
    if "text" in row:
        text = _string(row, "text")
        turns = _chatml(text)
        return {"messages": checked(turns, "text")} if turns else {"text": text}
    raise BadRow(
        "row has none of messages, conversations, instruction, prompt, input with output, text "
        f"(found: {', '.join(row) or 'nothing'})"
    )


def fill(template: str, row: Mapping[str, Any]) -> str:
    """The template filled from the row. A field that is a list is read as KILT's `output`: its first answer."""
    values = {}
    for _, name, _, _ in Formatter().parse(template):
        if name:
            values[name] = kilt_answer(row[name], name) if isinstance(row.get(name), list) else _string(row, name)
    return template.format(**values)


def kilt_answer(output: Any, name: str = "output") -> str:
    """The first answer in a KILT record's output list that is not blank; an output that is a string is the answer.

    `name` is the field, for the message.
    """
    if isinstance(output, str):
        return _filled(output, name)
    for item in output if isinstance(output, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("answer"), str) and item["answer"].strip():
            return _filled(item["answer"], name)
    raise BadRow(f'"{name}" holds no answer')


def checked(messages: Any, name: str) -> list[Message]:
    """The messages as `role` (system, user or assistant) and `content`; one of weight 0 is not learnt from.

    They are written as role and content, or as ShareGPT's from and value. Raises BadRow unless they can be trained on: at most one system message, before all others; then user and
    assistant in turns, the user first and the assistant last. `name` is the field they are from, for the message.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BadRow(f'"{name}" is not a list of messages')
    cleaned: list[Message] = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise BadRow(f'"{name}" holds {type(message).__name__}, not messages')
        role = message.get("role", message.get("from"))
        if not isinstance(role, str) or role not in SHAREGPT_ROLES:
            raise BadRow(f"unknown role {role!r} (known: {', '.join(SHAREGPT_ROLES)})")
        _nothing_lost(message)
        content = _content(message, "value" if "content" not in message and "value" in message else "content")
        cleaned.append({"role": SHAREGPT_ROLES[role], "content": content, **_weight(message)})
    roles = [message["role"] for message in cleaned]
    if roles.count("system") > 1:
        raise BadRow("there are two system messages")
    if "system" in roles[1:]:
        raise BadRow("a system message stands after the first place")
    turns = [role for role in roles if role != "system"]
    if not turns or turns[0] == "assistant":
        raise BadRow("the assistant speaks first; a conversation starts with the user")
    if any(a == b for a, b in zip(turns, turns[1:], strict=False)):
        raise BadRow("two turns in a row have the same role")
    if turns[-1] != "assistant":
        raise BadRow("the last turn is the user's; there is nothing to learn from")
    if all(message.get("weight") == 0 for message in cleaned if message["role"] == "assistant"):
        raise BadRow("every turn of the assistant has weight 0; there is nothing to learn from")
    return cleaned


def _with_system(row: Mapping[str, Any], turns: Any) -> Any:
    """The turns after the system prompt that stands beside them, if there is one."""
    if not row.get("system") or not isinstance(turns, list):
        return turns
    return [{"role": "system", "content": row["system"]}, *turns]


def _chatml(text: str) -> list[Message]:
    """The turns of a text in ChatML; none if it is not. BadRow if some of its text belongs to no turn."""
    turns = [{"role": role, "content": content} for role, content in CHATML.findall(text)]
    left = CHATML.sub("", text).strip()
    if turns and left.startswith("<|im_start|>"):
        raise BadRow('"text" ends inside a turn: its last <|im_start|> has no <|im_end|>')
    if turns and left:
        raise BadRow(f'"text" has words outside of its turns: {left[:40]!r}')
    return turns


def _nothing_lost(fields: Mapping[str, Any]) -> None:
    """BadRow if a row or message holds what would change its meaning, and is not trained on."""
    lost = next((name for name in LOST if fields.get(name) not in (None, "", "[]", "{}", "null", False, [], {})), None)
    if lost is not None:
        raise BadRow(f'"{lost}" is not trained on, and the row would mean something else without it')


def _weight(message: Mapping[str, Any]) -> Message:
    """Whether a turn is learnt from, as OpenAI's format says it: 1, the default, or 0."""
    weight = message.get("weight")
    if weight is None or weight == 1:
        return {}
    if weight != 0 or isinstance(weight, str | bool):
        raise BadRow(f'"weight" is {weight!r}; a turn has weight 0 or 1')
    return {"weight": 0}


def _content(message: Mapping[str, Any], name: str) -> str:
    """The text of a message; of one in parts, as OpenAI's format has it, that of its parts, which must all be text."""
    parts = message.get(name)
    if not isinstance(parts, list):
        return _string(message, name)
    kinds = [part.get("type") if isinstance(part, Mapping) else type(part).__name__ for part in parts]
    other = next((kind for kind in kinds if kind != "text"), None)
    if other is not None:
        raise BadRow(f'"{name}" holds a part of type {other!r}, not text')
    return _filled("".join(_string(part, "text") for part in parts), name)


def row_text(row: Mapping[str, Any]) -> str:
    """All text of a training row, turns joined by newlines."""
    return str(row["text"]) if "text" in row else "\n".join(m["content"] for m in row["messages"])


def _turns(prompt: str, completion: str, system: str = "", history: Sequence[Message] = ()) -> Row:
    start = [{"role": "system", "content": system}] if system else []
    last = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
    return {"messages": [*start, *history, *last]}


def _history(row: Mapping[str, Any]) -> list[Message]:
    """Earlier turns of an Alpaca row as LLaMA-Factory writes them: `history` lists [instruction, response] pairs."""
    earlier: list[Message] = []
    for pair in row.get("history") or []:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise BadRow('"history" is not a list of [instruction, response] pairs')
        earlier += [{"role": "user", "content": _filled(pair[0], "history")}]
        earlier += [{"role": "assistant", "content": _filled(pair[1], "history")}]
    return earlier


def _string(row: Mapping[str, Any], name: str) -> str:
    """The text in that field; BadRow if it is missing, not text, or not usable."""
    if name not in row or row[name] is None:
        raise BadRow(f'row has no "{name}" (found: {", ".join(k for k in row if row[k] is not None) or "nothing"})')
    if not isinstance(row[name], str):
        raise BadRow(f'"{name}" is {type(row[name]).__name__}, not text')
    return _filled(row[name], name)


def _filled(text: str, name: str) -> str:
    """The text as it is; BadRow if it is blank, or holds what no tokenizer or UTF-8 file can take."""
    if not text.strip():
        raise BadRow(f'"{name}" is empty')
    if "\x00" in text:
        raise BadRow(f'"{name}" holds a NUL byte')
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow(f'"{name}" holds a lone surrogate, which is no character') from None
    return text
