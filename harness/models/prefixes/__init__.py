"""Prefixes that several sequences share, computed once: in scoring, and in training.

trie    sequences -> rows of tokens in which every shared token stands once
masks   such rows -> what each token's attention sees: its ancestors and itself
"""
