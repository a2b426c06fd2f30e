"""Content -> Markdown for a pull request: verdicts, metrics and a shortened first look, nothing that runs or pings."""

import re
from pathlib import Path

import jinja2

from harness.report import cost, history, tables, words
from harness.report.content import Content, Text

TEMPLATES = Path(__file__).parent / "templates"
ANSWER_CHARACTERS = 240
FIRST_LOOK_CHARACTERS = 24_000  # in all
MOST_CHARACTERS = 65_000  # a comment on GitHub may have 65,536
LEFT_OUT_FIRST = ("A first look", "History", "Seeds", "Contamination", "Cost")  # where all is too long
SHORTENED = "\n\nShortened here; the page has everything.\n"
LAST_RUNS = 5  # of the history
SPECIAL = re.compile(r"[\\`*\[\]<>#|~@$&]|(?<!\w)_|_(?!\w)|:(?=//)")


def write_markdown(content: Content, path: Path, *, title: str = "Fine-tuning report") -> None:
    """Write the comment to path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(summary_markdown(content, title=title), encoding="utf-8")


def summary_markdown(content: Content, *, title: str = "Fine-tuning report") -> str:
    """The comment: at most MOST_CHARACTERS, for which whole sections are left out, and said so."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=False, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"plain": plain, "code": code, "fenced": fenced}
    environment.globals |= {"words": words, "tables": tables, "cost": cost}
    template = environment.get_template("report.md")
    look = tables.first_look(content)
    values = {"content": content, "title": title, "look": look, "shown": look[: _fitting(look)], "last_runs": LAST_RUNS}
    histories = history.histories(content)
    values |= {"histories": histories, "unchanged_line": history.unchanged_line(histories)}
    for place in range(len(LEFT_OUT_FIRST) + 1):
        text = re.sub(r"\n{3,}", "\n\n", template.render(values, left_out=LEFT_OUT_FIRST[:place]))
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
