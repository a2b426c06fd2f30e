"""One session: what it was asked for, what it stands on, what it does, what it came to.

options     the command line, checked
setup       project, store, options, keys, before anything runs
selection   what the selected tests ask for
run         jobs, and what tests get from them
record      rows for the warehouse, the report;  ending  the last lines;  github  annotations
"""
