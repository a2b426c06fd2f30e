"""Pretraining from scratch: a tokenizer from the same text, packed blocks, transformers' own Trainer.

Also the untrained subject: the same tokenizer and the same fresh weights, and no step taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.training.tokens import packed_blocks, read_rows, train_tokenizer


def fresh_model(architecture: dict[str, Any], tokenizer: Any) -> Any:
    """A decoder of that architecture with fresh weights, drawn from the current seed."""
    from transformers import LlamaConfig, LlamaForCausalLM

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

    from harness.models.loading import load_tokenizer

    at = spec["base_at"]
    config = AutoConfig.from_pretrained(
        at.get("path") or at["model"], revision=at.get("revision"), trust_remote_code=False
    )
    set_seed(spec["seed"])
    return {"model": AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16), "tokenizer": load_tokenizer(at)}


def prepare(folder: Path, spec: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The Trainer (None for the untrained subject), and what was counted on the way."""
    from transformers import set_seed

    if "architecture" not in spec["base"]:
        return None, fresh_like(spec)
    architecture = spec["base"]["architecture"]
    length = architecture["context_length"]
    texts = [row["text"] for row in read_rows(folder / "rows.jsonl")]
    tokenizer = train_tokenizer(texts, architecture["vocabulary_size"], length)
    set_seed(spec["seed"])
    model = fresh_model(architecture, tokenizer)
    counts: dict[str, Any] = {"documents": len(texts), "truncated_rows": 0, "model": model, "tokenizer": tokenizer}
    if spec["stage"] == "fresh":
        return None, counts

    from datasets import Dataset
    from transformers import DataCollatorForLanguageModeling

    from harness.training.trainers import FiniteTrainer, arguments

    blocks = packed_blocks(texts, tokenizer, length)
    counts["training_rows"] = len(blocks)
    held_out = [
        {"id": row["id"], "input_ids": ids, "labels": ids}
        for row in (read_rows(folder / "held_out.jsonl") if (folder / "held_out.jsonl").exists() else [])
        if len(ids := tokenizer(row["text"], add_special_tokens=False)["input_ids"][:length]) > 1
    ]
    trainer = FiniteTrainer(
        model=model,
        args=arguments(folder, spec, len(blocks)),
        train_dataset=Dataset.from_dict({"input_ids": blocks}),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        processing_class=tokenizer,
    )
    trainer.watch(folder, spec, held_out)
    return trainer, counts
