"""Answers -> scores: what decides an evaluation, once the answers are there."""
