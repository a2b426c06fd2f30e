"""A model's place -> the model and its tokenizer: all code that can change weights on their way into memory."""
