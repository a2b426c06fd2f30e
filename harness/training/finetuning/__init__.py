"""Supervised training on the assistant's tokens of conversations, over all weights or through an adapter."""
