"""A checkpoint put to use: chat, export as a standalone folder, serve. Worker processes do the work.

Beside the road: nothing here becomes a result.
"""
