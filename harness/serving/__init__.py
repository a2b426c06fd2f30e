"""A checkpoint put to use: asked, written as a standalone folder, served. The work is done in worker processes.

Beside the road: nothing here is measured or stored as a result.
"""
