"""Small models of sentence-transformers for the tests: one whose vectors count words, one that reads a few tokens."""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast


def words_of(texts: list[str]) -> Tokenizer:
    """A tokenizer that knows the words of the texts."""
    words = sorted({word for text in texts for word, _ in Whitespace().pre_tokenize_str(text.lower())})
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(["[UNK]", "[PAD]", *words])}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    return tokenizer


def counting(folder: Path, texts: list[str]) -> Path:
    """A model by which texts are near that share words: each word has a direction of its own, unknown ones have none."""
    tokenizer = words_of(texts)
    weights = torch.eye(tokenizer.get_vocab_size())
    weights[0] = 0
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu").save(str(folder))
    return folder


def short_sighted(folder: Path, texts: list[str], reads: int, dtype: str = "float32") -> Path:
    """A small BERT of random weights that reads so many tokens of a text."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words_of(texts), unk_token="[UNK]", pad_token="[PAD]")
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    whole = folder.with_name(f"{folder.name}-bert")
    BertModel(config).to(getattr(torch, dtype)).save_pretrained(whole)
    tokenizer.save_pretrained(whole)
    module = Transformer(str(whole), max_seq_length=reads)
    SentenceTransformer(modules=[module, Pooling(16)], device="cpu").save(str(folder))
    return folder
