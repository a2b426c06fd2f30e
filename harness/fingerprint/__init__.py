"""Every key in one place: what weights, answers and scores depend on, as values, and the digest of it.

values        any value as JSON types; its digest; what differs between two
code          folders of the harness and functions of a project
data          declared rows
checkpoints   the stages of a subject, as a chain
evaluations   a suite on a subject
keys          all of these for one session, immutable
nearest       why a checkpoint is missing

Nothing here imports torch or reads a row: a file counts by its bytes, a hub dataset by its revision.
"""
