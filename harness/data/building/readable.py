"""HTML of posts -> text, as Markdown: code stays in fences, LaTeX as it is written, links with their addresses."""

from __future__ import annotations

import re

from harness.errors import HarnessError

BLANK_LINES = re.compile(r"\n{3,}")


def check_installed() -> None:
    """Raise HarnessError where the library that reads HTML is not installed."""
    try:
        import markdownify  # noqa: F401
    except ImportError:
        raise HarnessError(
            "to turn posts into text, markdownify must be installed.",
            "Install the harness with its extra `build`: pip install 'PATH[build]', PATH being its folder or wheel.",
        ) from None


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
