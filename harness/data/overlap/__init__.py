"""Training rows against evaluation items: how much of the items' text also occurs in the rows."""
