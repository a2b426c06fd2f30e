"""What is watched while training, and what is kept of it: nothing here changes a weight."""
