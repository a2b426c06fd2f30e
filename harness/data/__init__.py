"""Data on the road: where rows are, how they read, which of them train and which are kept out."""
