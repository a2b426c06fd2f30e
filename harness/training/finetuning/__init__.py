"""Supervised training on the assistant's tokens of conversations, of all weights or of an adapter."""
