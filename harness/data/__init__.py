"""Data: where rows are declared, how they are read, and which of them are trained on, held out or left out."""
