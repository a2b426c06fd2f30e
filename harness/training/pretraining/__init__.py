"""Next-token training on text: from fresh weights with a tokenizer of its own, or on from a base."""
