"""A store in a bucket, or at any other fsspec URL, with a folder of this machine in front of it.

store      artifacts: sent files first and manifest last, fetched when somebody needs them
layout     keys of an artifact's files
leases     one machine at a time makes an artifact; one that died is not waited for
transfers  what the session asks of the child process that moves bytes
__main__   that child process: the only one that imports fsspec and a cloud's library

The session's process stays light so, and a request that hangs ends with the child.

In the bucket:

    store.json                      which store this is
    KIND/KEY/manifest.json          created once, after the files; whoever comes second takes the first one's
    KIND/KEY/CONTENT/FILE           the files that the manifest names; CONTENT is a digest of their digests
    sessions/ID.json                the rows of each session
    baselines/PROJECT/NAME.json     blessed evaluations
    leases/KEY/N.json               who makes KEY now: the highest N
"""
