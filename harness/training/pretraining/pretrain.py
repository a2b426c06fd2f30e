"""Pretraining by transformers' own Trainer: from scratch with a tokenizer from the same text, or on from a base.

Also the untrained subject: the same tokenizer and the same fresh weights, and no step taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import RecipeError
from harness.training.shared.tokens import cut_documents, packed_blocks, read_rows, train_tokenizer


def fresh_model(architecture: dict[str, Any], tokenizer: Any) -> Any:
    """A decoder of that architecture with fresh weights, drawn from the current seed."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    if architecture["family"] == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                n_embd=architecture["hidden_size"],
                n_layer=architecture["layers"],
                n_head=architecture["heads"],
                n_inner=architecture["intermediate_size"],
                vocab_size=architecture["vocabulary_size"],
                n_positions=architecture["context_length"],
                tie_word_embeddings=architecture["tied_embeddings"],
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=architecture["hidden_size"],
            num_hidden_layers=architecture["layers"],
            num_attention_heads=architecture["heads"],
            num_key_value_heads=architecture["key_value_heads"],
            head_dim=architecture["head_size"],
            intermediate_size=architecture["intermediate_size"],
            vocab_size=architecture["vocabulary_size"],
            max_position_embeddings=architecture["context_length"],
            tie_word_embeddings=architecture["tied_embeddings"],
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def fresh_like(spec: dict[str, Any]) -> dict[str, Any]:
    """A model of a published configuration with fresh weights in bfloat16, and that model's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    from harness.models.loading.load import load_tokenizer

    at = spec["base_at"]
    config = AutoConfig.from_pretrained(
        at.get("path") or at["model"], revision=at.get("revision"), trust_remote_code=False
    )
    set_seed(spec["seed"])
    return {"model": AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16), "tokenizer": load_tokenizer(at)}


def starting_point(spec: dict[str, Any], texts: list[str]) -> tuple[Any, Any]:
    """Model and tokenizer before step 1: fresh ones of the architecture, or the base's own to go on with."""
    from transformers import set_seed

    if "architecture" in spec["base"]:
        architecture = spec["base"]["architecture"]
        tokenizer = train_tokenizer(texts, architecture["vocabulary_size"], architecture["context_length"])
        set_seed(spec["seed"])
        return fresh_model(architecture, tokenizer), tokenizer
    from harness.models.loading.load import load_model, load_tokenizer

    model = load_model(spec["base_at"], device=spec["device"], dtype="float32")
    if hasattr(model, "peft_config"):
        raise RecipeError(f"{spec['name']}: its base is an adapter.", "Start from the adapter's own base.")
    return model, load_tokenizer(spec["base_at"])


def prepare(folder: Path, spec: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The Trainer (None for the untrained subject), and what was counted on the way."""
    if spec["stage"] == "fresh" and "architecture" not in spec["base"]:
        return None, fresh_like(spec)
    rows = read_rows(folder / "rows.jsonl")
    texts = [row["text"] for row in rows]
    model, tokenizer = starting_point(spec, texts)
    counts: dict[str, Any] = {"rows": rows, "truncated_rows": 0, "model": model, "tokenizer": tokenizer}
    if spec["stage"] == "fresh":
        return None, counts

    from datasets import Dataset

    from harness.training.shared.packing import Packing
    from harness.training.shared.trainers import FiniteTrainer, arguments

    context = model.config.max_position_embeddings
    length = spec["settings"]["block_length"] or context
    if length > context:
        raise RecipeError(f"{spec['name']}: block_length {length} exceeds the base's context of {context} tokens.")
    if spec["settings"]["packing"]:
        blocks = packed_blocks(texts, tokenizer, length)
    else:
        blocks, counts["truncated_rows"] = cut_documents(texts, tokenizer, length)
    counts["training_rows"] = len(blocks)
    kept = read_rows(folder / "held_out.jsonl") if (folder / "held_out.jsonl").exists() else []
    cut, _ = cut_documents([row["text"] for row in kept], tokenizer, length)
    trainer = FiniteTrainer(
        model=model,
        args=arguments(folder, spec, model, blocks),
        train_dataset=Dataset.from_dict({"input_ids": blocks, "labels": blocks}),
        data_collator=Packing(model, tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    trainer.watch(
        folder, spec, [{"id": row["id"], "input_ids": i, "labels": i} for row, i in zip(kept, cut, strict=True)]
    )
    return trainer, counts
