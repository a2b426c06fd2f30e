"""Stack Exchange dumps in the documented schema, written by the tests."""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

BODY = "<p>Is $\\sigma_1 &lt; \\sigma_2$ here? I ran <code>lm(y ~ x)</code>:</p>\n<pre><code>fit &lt;- lm(y ~ x)\n  summary(fit)\n</code></pre>\n"


def question(own: int, **more: object) -> dict[str, object]:
    """A question's attributes; names are those of the dump."""
    given = {
        "Score": 5,
        "Title": f"How is {own} tested?",
        "Body": BODY,
        "Tags": "<anova><regression>",
        "OwnerUserId": 7,
    }
    return {"Id": own, "PostTypeId": 1, "ContentLicense": "CC BY-SA 4.0", **given, **more}


def answer(own: int, of: int, score: int = 1, **more: object) -> dict[str, object]:
    """An answer's."""
    given = {"Body": f"<p>By answer {own}.</p>", "OwnerUserId": 8, "ContentLicense": "CC BY-SA 3.0"}
    return {"Id": own, "PostTypeId": 2, "ParentId": of, "Score": score, **given, **more}


def write_dump(path: Path, rows: Iterable[dict[str, object]], table: str = "posts") -> Path:
    """The rows as the dump's XML, one on each line."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<{table}>\n')
        for row in rows:
            file.write("  <row " + " ".join(f"{name}={quoteattr(str(value))}" for name, value in row.items()) + " />\n")
        file.write(f"</{table}>\n")
    return path
