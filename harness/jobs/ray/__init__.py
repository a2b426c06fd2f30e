"""Jobs on a Ray cluster: `--executor ray`.

cluster   the cluster of a session: joined or begun, checked, divided into slots
arrivals  slots that Ray is finding a place for
pool      workers as the session sees them; each is in some slot
mirror    a worker's folder on its node, and the same folder here
needed    files outside of the store that a worker reads
node      a node's side: a folder, and the worker in it

The session keeps a thread for each job, its store and its database. What moves is a worker: its folder is copied to a
node, a process of the same package works in it there, and what it writes comes back while it is written, saved states
too. When the node dies, the folder as it is here goes to another, and the worker continues from the last whole state.
Where nodes see the session's disk, nothing is copied.

Ray itself is imported when jobs start.
"""

import os

# Ray would begin a cluster on this machine whenever something is asked of it after the session has left its own, or lost it.
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # read when Ray is imported
