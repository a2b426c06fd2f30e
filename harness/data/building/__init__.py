"""Training rows built from what others publish: questions and answers from a Stack Exchange dump."""
