"""Data: where rows are declared, how they are read, and which of them are trained on, held out or left out.

sources    declared: datasets, their rows at each scale, mixes
reading/   files and hub datasets -> rows
overlap/   rows that contain evaluation items
tools/     the commands `harness data ...`
mini/      the corpora that come with the package
"""
