"""A GGUF file of a small Llama model, written tensor by tensor as llama.cpp's converter writes it."""

import json

import numpy as np


def write_gguf(
    path,
    model,
    tokenizer,
    *,
    quantized=None,
    architecture="llama",
    with_tokenizer=True,
    pre="gpt-2",
    left_out=(),
    more=None,
):
    """The model, its matrices in the ggml type named (`Q4_1`, `F16`; default: float32), and its tokenizer.

    `pre` names the way in which the tokenizer splits text. `left_out` are names of tensors that the file lacks, `more`
    are further ones.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    writer, config = GGUFWriter(path, architecture), model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    if with_tokenizer:
        _add_tokenizer(writer, tokenizer, pre)
    for name, weights in {**tensors(model), **(more or {})}.items():
        if name in left_out:
            continue
        kind = GGMLQuantizationType[quantized] if quantized and weights.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(name, quants.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(model):
    """The model's weights under their names in the file; rotary halves of queries and keys interleaved, as it has them."""
    config, state, found = model.config, model.state_dict(), {}
    heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}
    for name, weights in state.items():
        array = weights.float().numpy()
        head = heads.get(name.split("self_attn.")[-1][0]) if "self_attn" in name else None
        found[_in_file(name)] = array if head is None else interleaved(array, head)
    if config.tie_word_embeddings:
        found.pop("output.weight", None)
    return found


def interleaved(weights, heads):
    """Rows of one matrix in the order of llama.cpp: of each head the two halves in turn."""
    rows = weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(weights.shape))


def _in_file(name):
    for ours, theirs in (
        ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
        ("model.layers.", "blk."), ("self_attn.o_proj", "attn_output"), ("self_attn.", "attn_"), ("mlp.", "ffn_"),
        ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"), ("_proj", ""),
    ):  # fmt: skip
        name = name.replace(ours, theirs)
    return name


def _add_tokenizer(writer, tokenizer, pre):
    from gguf import TokenType

    learnt = json.loads(tokenizer.backend_tokenizer.to_str())
    by_number = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    special = set(tokenizer.all_special_tokens) | set(tokenizer.added_tokens_encoder)
    writer.add_tokenizer_model("gpt2")
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list([token for token, _ in by_number])
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token, _ in by_number])
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in learnt["model"]["merges"]]
    )
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)
