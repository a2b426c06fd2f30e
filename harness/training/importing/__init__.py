"""Model files of other programs -> checkpoints in the store; no training step is taken."""
