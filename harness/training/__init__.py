"""The training worker: `python -m harness.training DIR` trains what `DIR/spec.json` says, and resumes what it finds.

Only worker processes import this folder's modules; they may import torch.
"""
