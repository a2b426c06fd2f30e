"""A tokenizer of the kind that marks the beginning of a text, made by hand."""


def sentencepiece_like():
    """A tokenizer that marks the beginning of a text as that of a word, as Llama 2's and TinyLlama's do."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<s>", "</s>", "▁", "▁owl", "owl", "▁a", "a", "?", "▁bird", "b", "i", "r", "d", "o", "w", "l",
              "\n", ":", "▁Name"]  # fmt: skip
    merges = [("o", "w"), ("ow", "l"), ("▁", "owl"), ("▁", "a")]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "ow"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
