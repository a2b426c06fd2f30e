"""Next-token training on text: from fresh weights with a tokenizer of its own, or continued from a base."""
