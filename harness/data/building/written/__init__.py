"""Rows that a model writes: questions and answers about texts, further phrasings of facts.

items      what is written about: a file's texts
kinds      what is asked of the model, and what of its answer is taken
reading    a model's answer -> what it holds, in whatever form it came
filters    which of what it wrote is left out, and for what reason
language   in which language a text is
rows       answers -> rows, each with its source, model and prompt
"""
