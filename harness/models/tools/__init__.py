"""Beside the answers: chat, export, counts of tokens, memory and energy. Nothing here changes an answer."""
