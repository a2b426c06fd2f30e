"""The last step of the road: what the warehouse holds, as a page, a comment and a table.

content = load(connection)  # or load(connection, recipes=["wiki_only"], since=...)
write_html(content, folder / "report.html")
write_markdown(content, folder / "report.md")
print_terminal(content, console)
"""

from reports.content import Content
from reports.load import load
from reports.markdown import summary_markdown, write_markdown
from reports.render import write_html
from reports.terminal import print_terminal

__all__ = ["Content", "load", "print_terminal", "summary_markdown", "write_html", "write_markdown"]
