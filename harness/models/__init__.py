"""The model worker: `python -m harness.models DIR` holds one model on one device and answers `DIR/request.json`.

Only worker processes import this folder's modules; they may import torch.
"""
