"""The tokenizer of a model that is trained from scratch, learned from the same text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.training.shared.templates import CHATML, END_TURN

END, START_TURN, PAD = "<|endoftext|>", "<|im_start|>", "<|pad|>"


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
        chat_template=CHATML,
        clean_up_tokenization_spaces=False,
    )
