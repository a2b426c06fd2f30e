"""A model's place -> the model and its tokenizer. All that can change weights on their way into memory."""
