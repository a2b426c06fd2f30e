"""The training worker: `python -m harness.training DIR` trains what `DIR/spec.json` says, and resumes what it finds.

shared/        packed rows, the loss, the trainer's arguments      } all that can change weights:
pretraining/   next tokens of text, a tokenizer of its own         } hashed into fingerprints,
finetuning/    answers in conversations, adapters, 4-bit bases     } folder by folder
watching/      progress, resuming, publishing: what changes no weight

Only worker processes import this folder's modules; they may import torch.
"""
