"""HTML of posts -> text, as Markdown: code stays as it is in fences, LaTeX as it is written, links with their addresses."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import urljoin

from harness.data.building.output import whole_characters

BLANK_LINES = re.compile(r"\n{3,}")
MARKS = re.compile("[\ue000\ue001]")  # characters of private use, which stand for blocks of code meanwhile
PLACED = re.compile("^(.*?)\ue000(\\d+)\ue001", re.MULTILINE)
TICKS = re.compile(r"`{3,}")


def as_text(html: str, page: str = "") -> str | None:
    """The text of a post on a page, by whose address its links are completed; None where the HTML cannot be read.

    Powers and indices, `10<sup>6</sup>`, keep their tags, without which they would be other numbers.
    """
    from bs4.exceptions import ParserRejectedMarkup

    converter = _converter()(page)
    try:
        text: str = converter.convert(MARKS.sub("", whole_characters(html)))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, ParserRejectedMarkup):
        return None  # nested too deeply, or what the parser refuses
    text = BLANK_LINES.sub("\n\n", text).strip()
    return PLACED.sub(lambda found: _placed(found[1], converter.blocks[int(found[2])]), text)


def _placed(before: str, block: str) -> str:
    """A block of code where its mark was: each line behind what stands before the mark, in a list or a quotation."""
    inset = before if not before.strip(" >") else " " * len(before)
    return before + block.replace("\n", f"\n{inset}")


@cache
def _converter() -> Any:
    from markdownify import MarkdownConverter

    class Converter(MarkdownConverter):  # type: ignore[misc]
        """Keeps blocks of code apart, so that nothing in them is changed, and completes addresses."""

        def __init__(self, page: str) -> None:
            super().__init__(
                heading_style="ATX", escape_underscores=False, escape_asterisks=False, escape_misc=False,
                sup_symbol="<sup>", sub_symbol="<sub>",
            )  # fmt: skip
            self.page, self.blocks = page, list[str]()

        def convert_pre(self, el: Any, text: str, parent_tags: Any) -> str:
            code = el.get_text().strip("\n")
            if not code.strip():
                return ""
            fence = "`" * max([3, *(len(run) + 1 for run in TICKS.findall(code))])
            self.blocks.append(f"{fence}\n{code}\n{fence}")
            return f"\n\n\ue000{len(self.blocks) - 1}\ue001\n\n"

        def convert_a(self, el: Any, text: str, parent_tags: Any) -> str:
            if el.get("href"):
                el["href"] = urljoin(self.page, el["href"])
            return str(super().convert_a(el, text, parent_tags))  # type: ignore[misc]

        def convert_img(self, el: Any, text: str, parent_tags: Any) -> str:
            if el.get("src"):
                el["src"] = urljoin(self.page, el["src"])
            return str(super().convert_img(el, text, parent_tags))  # type: ignore[misc]

    return Converter
