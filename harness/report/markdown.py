"""Content -> Markdown for a pull request: verdicts, metrics and a shortened first look. Nothing in it runs a script or mentions a user."""

import re
from collections.abc import Mapping
from pathlib import Path

import jinja2

from harness.files import Json
from harness.report import cost, history, tables, words
from harness.report.content import Content, Text
from harness.report.curricula import taught
from harness.report.custom import Queried
from harness.report.declared import DEFAULT, Chart, Report, Table
from harness.report.ranking import rankings
from harness.report.ratings import rated
from harness.report.sweeps import swept

Found = Mapping[str, Queried]  # by title of the section

TEMPLATES = Path(__file__).parent / "templates"
ANSWER_CHARACTERS = 240
FIRST_LOOK_CHARACTERS = 24_000  # in all
MOST_CHARACTERS = 65_000  # a comment on GitHub may have 65,536
LEFT_OUT_FIRST = ("A first look", "Ranking", "History", "Seeds", "Contamination", "Cost")  # where all is too long
SHORTENED = "\n\nShortened here; the page has everything.\n"
LAST_RUNS = 5  # of the history
OWN_ROWS = 30  # of a table that a project declares
SPECIAL = re.compile(r"[\\`*\[\]<>#|~@$&]|(?<!\w)_|_(?!\w)|:(?=//)")


def write_markdown(content: Content, path: Path, report: Report = DEFAULT, found: Found | None = None) -> None:
    """Write the comment to path; `found` are the rows of the report's own queries."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(summary_markdown(content, report, found), encoding="utf-8")


def summary_markdown(content: Content, report: Report = DEFAULT, found: Found | None = None) -> str:
    """The comment, at most MOST_CHARACTERS long; sections that are left out for that are named."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=False, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"plain": plain, "code": code, "fenced": fenced}
    environment.globals |= {"words": words, "tables": tables, "cost": cost, "change_line": history.change_line}
    template = environment.get_template("report.md")
    look = tables.first_look(content)
    histories = history.histories(content)
    values: Json = {
        "content": content,
        "title": report.title,
        "sections": [section.label for section in report.sections if not isinstance(section, Table | Chart)],
        "own": [(section.title, (found or {})[section.title]) for section in report.queries],
        "own_rows": OWN_ROWS,
        "look": look,
        "rankings": rankings(content),
        "sweeps": swept(content),
        "curricula": taught(content),
        "rated": rated(content),
        "shown": look[: _fitting(look)],
        "last_runs": LAST_RUNS,
        "histories": histories,
        "unchanged_line": history.unchanged_line(histories),
    }
    for place in range(len(LEFT_OUT_FIRST) + 1):
        left_out = [name for name in LEFT_OUT_FIRST[:place] if name in values["sections"]]
        text = re.sub(r"\n{3,}", "\n\n", template.render(values, left_out=left_out))
        if len(text) <= MOST_CHARACTERS:
            return text
    whole_lines = text[: MOST_CHARACTERS - len(SHORTENED)].rpartition("\n")[0]
    return whole_lines + SHORTENED


def _fitting(look: list[tables.FirstLook]) -> int:
    """How many prompts can be shown within FIRST_LOOK_CHARACTERS; one at least."""
    subjects = max((len(prompt.answers) for prompt in look), default=1) or 1
    return max(1, FIRST_LOOK_CHARACTERS // (subjects * 2 * (ANSWER_CHARACTERS + 60)))


def plain(text: str | None) -> str:
    """The text on one line, every character that Markdown or HTML could act on written as an entity."""
    line = " ".join(words.visible(text or "").split())
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)


def code(text: str | None) -> str:
    """The text as inline code that survives a table cell."""
    line = " ".join(words.visible(text or "").split())
    return f"<code>{plain(line)}</code>" if set(line) & set("`|\\") or not line else f"`{line}`"


def fenced(text: Text | None) -> str:
    """The text in a code block whose fence is longer than any run of backticks in it, shortened with a note."""
    if text is None:
        return "*not asked*"
    if not text.shown.strip():
        return "*empty answer*"
    short = text.cut(ANSWER_CHARACTERS)
    shown = words.visible(short.shown)
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", shown)), default=0))
    note = f"\n\n*{tables.cut_note(short)}*" if short.is_cut else ""
    return f"{fence}text\n{shown}\n{fence}{note}"
