"""Conversations -> token ids and labels, and the checks before step 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.sources import Row
from harness.errors import DataError, RecipeError
from harness.training.shared.packing import IGNORED
from harness.training.shared.templates import TEMPLATES


@dataclass(frozen=True)
class Encoded:
    """Rows as token ids."""

    rows: list[dict[str, list[int]]]  # each `input_ids` and `labels`, IGNORED but for the assistant's tokens
    cut: int  # rows longer than max_length


def use_training_template(tokenizer: Any, template: str, who: str) -> None:
    """Give the tokenizer a chat template with generation marks, which say which tokens are the assistant's."""
    own = tokenizer.chat_template or ""
    if template == "chatml" or "<|im_start|>" in own:
        name = "chatml"
    elif "<|start_header_id|>" in own:
        name = "llama3"
    elif "<|user|>" in own and "<|assistant|>" in own and "eos_token" in own:
        name = "zephyr"
    elif "{% generation %}" in own.replace("{%-", "{%").replace("-%}", "%}"):
        return
    else:
        raise RecipeError(
            f"{who}: the base's tokenizer has {'a chat template without generation marks' if own else 'no chat template'}, "
            "so the assistant's tokens cannot be told from the user's.",
            "Use Finetune(template='chatml').",
        )
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text().strip()


def conversation_tokens(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Encoded:
    """The rows rendered in the tokenizer's chat template, cut at `max_length` tokens.

    Raises DataError for a row without any assistant token left, and for a doubled begin-of-sequence token.
    """
    encoded, cut = [], 0
    for row in rows:
        messages = row.get("messages")
        if messages is None:
            raise DataError(
                f"{row['origin']}: plain text cannot be fine-tuned on: nobody is the assistant.",
                "Declare prompt= and completion= for its source, or pretrain on it.",
            )
        rendered = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = rendered["input_ids"], rendered["assistant_masks"]
        if len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
            raise DataError(f"{row['origin']}: the rendered row starts with two {tokenizer.bos_token!r} tokens.")
        cut += len(ids) > max_length
        labels = [token if own else IGNORED for token, own in zip(ids, mask, strict=True)][:max_length]
        if all(label == IGNORED for label in labels):
            raise DataError(
                f"{row['origin']}: none of the first {max_length} of its {len(ids)} tokens is the assistant's; "
                "training would learn nothing from it.",
                "Raise max_length, or shorten the prompt.",
            )
        encoded.append({"input_ids": ids[:max_length], "labels": labels})
    return Encoded(encoded, cut)
