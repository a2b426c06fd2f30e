"""Conversations -> token ids and labels, checked before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.sources import Row
from harness.errors import DataError, RecipeError
from harness.training.finetuning.targets import rendered
from harness.training.shared.packing import IGNORED
from harness.training.shared.templates import CHATML, END_TURN


@dataclass(frozen=True)
class Encoded:
    """Rows as token ids."""

    rows: list[dict[str, list[int]]]  # `input_ids` and `labels`, which are IGNORED except on the assistant's tokens
    cut: int  # number of rows that were longer than max_length
    last_only: int = 0  # number of rows of which only the assistant's last turn carries loss
    quoting: int = 0  # number of rows whose words hold a control token, which is then read as the token itself


def check_template(tokenizer: Any, template: str, who: str) -> None:
    """Let the tokenizer keep its chat template; only a recipe that declares ChatML gets that in its place.

    Turns in ChatML end with the tokenizer's own end of a sequence if it has no `<|im_end|>`: an end of several tokens
    would be learnt, and never stop an answer. Raises RecipeError for a tokenizer without a chat template, and for one
    that does not say where its tokens are in a text.
    """
    if template == "chatml":
        end = END_TURN if END_TURN in tokenizer.get_vocab() else tokenizer.eos_token
        if end is None:
            raise RecipeError(
                f"{who}: the base's tokenizer has neither {END_TURN} nor an end of a sequence; no answer would end.",
                "Give its tokenizer an eos_token.",
            )
        tokenizer.chat_template = CHATML.replace(END_TURN, end)
    if tokenizer.chat_template is None:
        raise RecipeError(
            f"{who}: the base's tokenizer has no chat template, so rows cannot be rendered as conversations.",
            "Use Finetune(template='chatml').",
        )
    if isinstance(tokenizer.chat_template, dict) and "default" not in tokenizer.chat_template:
        names = ", ".join(tokenizer.chat_template)
        raise RecipeError(
            f"{who}: the base's tokenizer has several chat templates ({names}), and none is called default.",
            "Use Finetune(template='chatml').",
        )
    if not tokenizer.is_fast:
        raise RecipeError(
            f"{who}: the base's tokenizer ({type(tokenizer).__name__}) does not say where its tokens are in a text, "
            "so the assistant's cannot be told apart.",
            "Use a base with a tokenizer.json.",
        )


def conversation_tokens(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Encoded:
    """The rows in the tokenizer's chat template as token ids, cut to their first `max_length` tokens.

    Raises DataError for a row that the template refuses, one that has no assistant token (left), and one that begins
    with two begin-of-sequence tokens.
    """
    encoded, cut, last_only, quoting = [], 0, 0, 0
    control = {
        *tokenizer.all_special_tokens,
        *(t.content for t in tokenizer.added_tokens_decoder.values() if t.special),
    }
    for row in rows:
        messages = row.get("messages")
        if messages is None:
            raise DataError(
                f"{row['origin']}: plain text cannot be fine-tuned on: it has no assistant's turns.",
                "Declare prompt= and completion= for its source, or pretrain on it.",
            )
        try:
            one = rendered(messages, tokenizer)
        except DataError as error:
            raise DataError(f"{row['origin']}: {error.problem}", error.remedy) from error
        if len(one.ids) > 1 and one.ids[0] == one.ids[1] == tokenizer.bos_token_id:
            raise DataError(f"{row['origin']}: the rendered row starts with two {tokenizer.bos_token!r} tokens.")
        cut += len(one.ids) > max_length
        last_only += one.last_only
        quoting += any(token in message["content"] for message in messages for token in control)
        labels = [token if target else IGNORED for token, target in zip(one.ids, one.is_target, strict=True)]
        if all(label == IGNORED for label in labels[:max_length]):
            raise DataError(
                f"{row['origin']}: none of the first {max_length} of its {len(one.ids)} tokens is the assistant's; "
                "training would learn nothing from it.",
                "Raise max_length, or shorten the prompt.",
            )
        encoded.append({"input_ids": one.ids[:max_length], "labels": labels[:max_length]})
    return Encoded(encoded, cut, last_only, quoting)


def endless(rows: Sequence[dict[str, list[int]]], stops: set[int], max_length: int) -> int:
    """Number of rows, but for those that are cut, in which no token that ends an answer carries loss."""
    return sum(len(row["labels"]) < max_length and stops.isdisjoint(row["labels"]) for row in rows)
