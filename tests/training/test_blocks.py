"""Texts as the model sees them: blocks of joined documents, or documents cut to length."""

import pytest

pytest.importorskip("transformers")

from harness.errors import DataError
from harness.training.pretraining.blocks import cut_documents, packed_blocks
from harness.training.pretraining.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)


def test_blocks_hold_all_documents_each_ended(tokenizer):
    blocks = packed_blocks(["How far?"] * 40, tokenizer, 16)
    assert {len(block) for block in blocks} == {16}
    end = tokenizer.eos_token_id
    one = [*tokenizer("How far?")["input_ids"], end]
    assert [t for block in blocks for t in block][: 2 * len(one)] == one * 2


def test_text_shorter_than_a_block_is_an_error(tokenizer):
    with pytest.raises(DataError, match="less than one block of 4,096"):
        packed_blocks(["How far?"], tokenizer, 4096)


def test_documents_on_their_own_are_ended_cut_and_counted(tokenizer):
    short, long = "How far?", "x" * 40
    found, cut = cut_documents([short, long], tokenizer, 12)
    assert found[0] == [*tokenizer(short)["input_ids"], tokenizer.eos_token_id]
    assert found[1] == tokenizer(long)["input_ids"][:12]
    assert cut == 1
