"""Completions of a tiny model: by the generator, and by plain forward passes one after the other."""

import functools

import torch

from harness.data.reading.rows import EMBEDDED
from harness.models.answering.generation import Generator
from harness.models.answering.likelihood import LikelihoodScorer
from harness.training.pretraining.tokenizer import train_tokenizer
from tests.tiny_models import CONTEXT


@functools.cache
def tokenizer():
    return train_tokenizer((EMBEDDED / "stories.jsonl").read_text().splitlines()[:20], 300, CONTEXT)


def generator_of(model):
    return Generator(model, LikelihoodScorer(model, "cpu", CONTEXT).tree, tokenizer(), "cpu", CONTEXT)


@torch.inference_mode()
def one_by_one(model, prompt, stops):
    """Greedy tokens by plain forward passes over the whole sequence."""
    ids = list(prompt.ids)
    for _ in range(prompt.max_new_tokens):
        token = int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token in stops:
            break
        ids.append(token)
    return ids[len(prompt.ids) :]
