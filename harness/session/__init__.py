"""One session: its options, what they are applied to, what runs, and its results.

options     the command line, checked
setup       project, store, options, keys, before anything runs
items       tests made from suites and gates;  selection   what the selected ones ask for
run         jobs, and what tests get from them
record      rows for the warehouse, the report;  ending  the last lines;  github  annotations
"""
