"""The last step of the road: what the warehouse holds, as a page, a comment and a table.

content = load(connection)  # or load(connection, recipes=["wiki_only"], since=...)
write_html(content, folder / "report.html")
write_markdown(content, folder / "report.md")
print_terminal(content, console)
"""

from harness.report.content import Content
from harness.report.load import load
from harness.report.markdown import summary_markdown, write_markdown
from harness.report.render import write_html
from harness.report.terminal import print_terminal

__all__ = ["Content", "load", "print_terminal", "summary_markdown", "write_html", "write_markdown"]
