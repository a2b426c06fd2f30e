"""One session: its options, what they are applied to, what runs, and its results.

settings    pyproject.toml;  options  the command line over it, checked
setup       project, store, options, keys, before anything runs
selection   what the selected tests ask for;  items  the items of suites, for `harness data check`
run         jobs, and what tests get from them
record      rows for the warehouse, the report;  ending  the last lines;  github  annotations
"""
