"""Chat, export, token counts, memory, energy and progress. Nothing here changes an answer."""
