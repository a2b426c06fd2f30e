"""Models with fresh weights, drawn from torch's current seed: of a declared shape, or of a published model's."""

from __future__ import annotations

from typing import Any

from harness.recipe import Architecture
from harness.training.shared.prepared import Prepared
from harness.worker.messages import TrainingTask
from harness.worker.places import HubModel, name_of


def fresh_model(shape: Architecture, tokenizer: Any) -> Any:
    """A decoder of that shape, in float32."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if shape.family == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                n_embd=shape.hidden_size,
                n_layer=shape.layers,
                n_head=shape.heads,
                n_inner=shape.intermediate_size,
                vocab_size=shape.vocabulary_size,
                n_positions=shape.context_length,
                tie_word_embeddings=shape.tied_embeddings,
                **special,
            )
        )
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=shape.hidden_size,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_value_heads,
            head_dim=shape.head_size,
            intermediate_size=shape.intermediate_size,
            vocab_size=shape.vocabulary_size,
            max_position_embeddings=shape.context_length,
            tie_word_embeddings=shape.tied_embeddings,
            **special,
        )
    )


def fresh_like(task: TrainingTask) -> Prepared:
    """A model with a published model's configuration and tokenizer, and fresh weights in bfloat16."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    from harness.models.loading.load import load_tokenizer

    at = task.base
    assert at is not None
    revision = at.revision if isinstance(at, HubModel) else None
    config = AutoConfig.from_pretrained(name_of(at), revision=revision, trust_remote_code=False)
    set_seed(task.seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return Prepared(None, load_tokenizer(at), model=model)
