"""Two-layer models of many architectures with random weights, large enough to have opinions."""

import json

import torch

from harness import Architecture
from harness.data.reading.rows import EMBEDDED
from harness.models.loading.load import load_model, load_tokenizer
from harness.training.pretraining.fresh import fresh_model
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.worker.places import Adapted, Directory

VOCABULARY, CONTEXT = 97, 64


def tiny(name):
    """A model of the architecture; weights are scaled up, so that a wrong mask or position shows."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    common = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    decoder = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 48, "max_position_embeddings": CONTEXT,
    }  # fmt: skip
    kind, settings = {
        "llama": ("llama", {**decoder, "tie_word_embeddings": False}),
        "llama-tied": ("llama", {**decoder, "tie_word_embeddings": True, "rope_theta": 500.0}),
        "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}),
        "gpt_neox": ("gpt_neox", {**decoder, "rotary_pct": 0.5, "num_key_value_heads": None}),
        "qwen2": ("qwen2", decoder),
        "qwen3": ("qwen3", {**decoder, "head_dim": 8}),
        "mistral-window": ("mistral", {**decoder, "sliding_window": 7}),
        "gemma2-softcap": ("gemma2", {**decoder, "head_dim": 8, "sliding_window": 9, "query_pre_attn_scalar": 8,
                                      "final_logit_softcapping": 5.0, "attn_logit_softcapping": 20.0}),
        "gemma3": ("gemma3_text", {**decoder, "head_dim": 8, "sliding_window": 6, "sliding_window_pattern": 2}),
        "phi3": ("phi3", decoder),
        "cohere": ("cohere", {**decoder, "logit_scale": 0.25}),
        "olmo2": ("olmo2", decoder),
        "mixtral": ("mixtral", {**decoder, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}),
        "qwen3-moe": ("qwen3_moe", {**decoder, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
                                    "moe_intermediate_size": 16, "decoder_sparse_step": 1}),
        "mamba": ("mamba", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
        "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    }[name]  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**{**common, **settings})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return model


TREE = ("llama", "llama-tied", "gpt2", "gpt_neox", "qwen2", "qwen3", "mistral-window", "gemma2-softcap", "gemma3",
        "phi3", "cohere", "olmo2", "mixtral", "qwen3-moe")  # fmt: skip
PLAIN = ("mamba", "bloom")


def saved_llama(folder, vocabulary=400, context=96, larger=8):
    """The place of a Llama with a byte-level tokenizer, saved in the folder; its weights are `larger` times as large."""
    texts = [json.loads(line)["text"] for line in (EMBEDDED / "stories.jsonl").read_text().splitlines()[:40]]
    tokenizer = train_tokenizer(texts, vocabulary, context)
    shape = Architecture(
        hidden_size=32, layers=2, heads=2, key_value_heads=1, intermediate_size=64, vocabulary_size=vocabulary,
        context_length=context,
    )  # fmt: skip
    torch.manual_seed(0)
    model = fresh_model(shape, tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(larger)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Directory(str(folder))


def saved_adapter(folder, base, rank=4):
    """The place of an adapter over the base, saved in the folder, whose random weights change every answer."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, target_modules="all-linear")
    model = get_peft_model(load_model(base, device="cpu", dtype="float32"), config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.3)
    model.save_pretrained(folder)
    load_tokenizer(base).save_pretrained(folder)
    return Adapted(Directory(str(folder)), base)
