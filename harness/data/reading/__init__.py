"""Declared rows -> rows in memory. All code that decides which rows are trained on and asked about."""
