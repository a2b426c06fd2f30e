"""The training worker: `python -m harness.training DIR` trains as `DIR/spec.json` says, from the last saved step on.

shared/        packed rows, the loss, the trainer's arguments      } all that can change weights:
pretraining/   next tokens of text, a tokenizer of its own         } hashed into fingerprints,
finetuning/    answers in conversations, adapters, 4-bit bases     } folder by folder
importing/     model files of other programs, without training     }
watching/      what cannot change weights: progress, resuming, stopping

Only worker processes import this folder's modules; they may import torch.
"""
