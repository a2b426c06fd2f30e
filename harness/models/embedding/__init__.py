"""Which passages are nearest to each question, by a sentence-transformers model that a recipe names."""
