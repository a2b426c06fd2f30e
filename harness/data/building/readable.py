"""HTML of posts -> text, as Markdown: code stays in fences, LaTeX as it is written, links with their addresses."""

from __future__ import annotations

import re

BLANK_LINES = re.compile(r"\n{3,}")


def as_text(html: str) -> str | None:
    """The text of a post; None where its elements are nested too deeply to be read."""
    from markdownify import markdownify

    try:
        text: str = markdownify(
            html, heading_style="ATX", escape_underscores=False, escape_asterisks=False, escape_misc=False
        )
    except RecursionError:
        return None
    return BLANK_LINES.sub("\n\n", text).strip()
