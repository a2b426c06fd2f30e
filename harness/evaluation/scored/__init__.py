"""Answers -> scores: all that decides what an evaluation says of the answers it stands on."""
