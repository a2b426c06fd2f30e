"""Chat, export, token counts, memory and energy. Nothing here changes an answer."""
