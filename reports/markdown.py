"""Content -> Markdown for a pull request: verdicts, metrics and a shortened first look, nothing that runs or pings."""

import re
from pathlib import Path

import jinja2

from reports import tables, words
from reports.content import Content, Text

TEMPLATES = Path(__file__).parent / "templates"
ANSWER_CHARACTERS = 240
FIRST_LOOK_CHARACTERS = 24_000  # in all: a comment on GitHub may have 65,536
SPECIAL = re.compile(r"[\\`*\[\]<>#|~@$&]|(?<!\w)_|_(?!\w)|:(?=//)")


def write_markdown(content: Content, path: Path, *, title: str = "Fine-tuning report") -> None:
    """Write the comment to path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=False, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"plain": plain, "code": code, "fenced": fenced}
    environment.globals |= {"words": words, "tables": tables}
    look = tables.first_look(content)
    shown = look[: _fitting(look)]
    text = environment.get_template("report.md").render(content=content, title=title, look=look, shown=shown)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"\n{3,}", "\n\n", text), encoding="utf-8")


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
