"""A report in its three forms, and the page as a parser sees it."""

import io
import re
from html.parser import HTMLParser

from rich.console import Console

from harness.report.declared import DEFAULT
from harness.report.markdown import write_markdown
from harness.report.page import write_html
from harness.report.terminal import print_terminal


def html_of(content, folder, report=DEFAULT, found=None) -> str:
    """The page, written below the folder."""
    write_html(content, folder / "report.html", report, found)
    return (folder / "report.html").read_text(encoding="utf-8")


def markdown_of(content, folder, report=DEFAULT, found=None) -> str:
    """The comment, written below the folder."""
    write_markdown(content, folder / "report.md", report, found)
    return (folder / "report.md").read_text(encoding="utf-8")


def terminal_of(content, width=120, report=DEFAULT, found=None) -> str:
    """What a terminal of that width is shown."""
    console = Console(file=io.StringIO(), width=width)
    print_terminal(content, console, report, found)
    return console.file.getvalue()


class Page(HTMLParser):
    """The page as a parser sees it: its text without scripts and styles, its tags, what does not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.tags, self.pieces, self.misnested, self.headings, self.ids = [], [], [], [], [], []
        self.feed(page)
        self.text = " ".join(" ".join(self.pieces).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in ("meta", "link", "input", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.pieces.append(data)
