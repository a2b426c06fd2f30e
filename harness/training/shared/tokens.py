"""Rows -> token ids and labels; the tokenizer of a from-scratch model; the checks before step 1."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import DataError, RecipeError

TEMPLATES = Path(__file__).parent / "templates"
END, START_TURN, END_TURN, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
IGNORED = -100  # label of a token that carries no loss


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that the session wrote beside the spec."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, context_length: int) -> Any:
    """A byte-level BPE tokenizer of the given size, with ChatML turns (Sennrich et al. 2016, arXiv:1508.07909)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[END, START_TURN, END_TURN, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        bos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START_TURN, END_TURN],
        model_max_length=context_length,
        chat_template=(TEMPLATES / "chatml.jinja").read_text().strip(),
        clean_up_tokenization_spaces=False,
    )


def packed_blocks(texts: Iterable[str], tokenizer: Any, length: int) -> list[list[int]]:
    """All documents, each ended by the end-of-text token, cut into blocks of `length`; the rest is left out."""
    import numpy

    end = tokenizer.eos_token_id
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    stream = numpy.concatenate([numpy.array([*ids, end], dtype=numpy.int32) for ids in encoded])
    blocks = len(stream) // length
    if blocks == 0:
        raise DataError(f"the pretraining text has {len(stream):,} tokens, less than one block of {length:,}.")
    return list(stream[: blocks * length].reshape(blocks, length).tolist())


def cut_documents(texts: Iterable[str], tokenizer: Any, length: int) -> tuple[list[list[int]], int]:
    """Each document's tokens, ended by the end-of-text token and cut at `length`; and how many were cut."""
    end = tokenizer.eos_token_id
    encoded = [[*ids, end] for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    return [ids[:length] for ids in encoded], sum(len(ids) > length for ids in encoded)


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


def conversation_tokens(
    rows: list[dict[str, Any]], tokenizer: Any, max_length: int
) -> tuple[list[dict[str, Any]], int]:
    """Per row `input_ids` and `labels` (IGNORED but for the assistant's tokens), and how many rows were cut.

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
        one = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = one["input_ids"], one["assistant_masks"]
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
    return encoded, cut
