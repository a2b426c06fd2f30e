"""A checkpoint put to use: chat, export as a standalone folder, serve, write rows. Worker processes do the work.

Beside the road: of what is here, only what people say of answers (`rating`) becomes a result.
"""
