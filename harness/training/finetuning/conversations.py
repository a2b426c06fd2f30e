"""Conversations -> token ids and labels, checked before the first step."""

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

    rows: list[dict[str, list[int]]]  # `input_ids` and `labels`, which are IGNORED except on the assistant's tokens
    cut: int  # number of rows that were longer than max_length


def use_training_template(tokenizer: Any, template: str, who: str) -> None:
    """Give the tokenizer a chat template with generation marks, which show which tokens are the assistant's.

    For ChatML, Llama 3 and Zephyr, recognized by their tokens, it is the one in shared/templates; a template that has
    marks already stays. Raises RecipeError for any other.
    """
    base_template = tokenizer.chat_template or ""
    if template == "chatml" or "<|im_start|>" in base_template:
        name = "chatml"
    elif "<|start_header_id|>" in base_template:
        name = "llama3"
    elif "<|user|>" in base_template and "<|assistant|>" in base_template and "eos_token" in base_template:
        name = "zephyr"
    elif "{% generation %}" in base_template.replace("{%-", "{%").replace("-%}", "%}"):
        return
    else:
        raise RecipeError(
            f"{who}: the base's tokenizer has "
            f"{'a chat template without generation marks' if base_template else 'no chat template'}, "
            "so the assistant's tokens cannot be told apart from the user's.",
            "Use Finetune(template='chatml').",
        )
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text().strip()


def conversation_tokens(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Encoded:
    """The rows in the tokenizer's chat template as token ids, cut to their first `max_length` tokens.

    Raises DataError for a row that has no assistant token (left), and for one that begins with two begin-of-sequence
    tokens.
    """
    encoded, cut = [], 0
    for row in rows:
        messages = row.get("messages")
        if messages is None:
            raise DataError(
                f"{row['origin']}: plain text cannot be fine-tuned on: it has no assistant's turns.",
                "Declare prompt= and completion= for its source, or pretrain on it.",
            )
        rendered = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = rendered["input_ids"], rendered["assistant_masks"]
        if len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
            raise DataError(f"{row['origin']}: the rendered row starts with two {tokenizer.bos_token!r} tokens.")
        cut += len(ids) > max_length
        labels = [token if is_target else IGNORED for token, is_target in zip(ids, mask, strict=True)][:max_length]
        if all(label == IGNORED for label in labels):
            raise DataError(
                f"{row['origin']}: none of the first {max_length} of its {len(ids)} tokens is the assistant's; "
                "training would learn nothing from it.",
                "Raise max_length, or shorten the prompt.",
            )
        encoded.append({"input_ids": ids[:max_length], "labels": labels})
    return Encoded(encoded, cut)
