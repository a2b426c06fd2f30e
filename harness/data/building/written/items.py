"""What is written about: the texts of a file, each with what its row tells of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from harness.data.reading.files import entries
from harness.errors import DataError
from harness.files import Json

IDS = ("id", "arxiv_id", "uuid")
OWN = ("source_id", "model", "prompt_digest")  # fields of every row that a model wrote
# Thai and Lao, Burmese, Khmer, Japanese, Chinese.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True)
class Item:
    """One text: an abstract, or a fact."""

    id: str
    title: str  # empty where the row has none
    text: str
    field: str  # of its row, which held the text
    row: Json  # what else its row tells

    @property
    def whole(self) -> str:
        """The text below its title."""
        return f"{self.title}\n\n{self.text}" if self.title else self.text


def read_items(path: Path, texts: Sequence[str], written: Sequence[str] = (), at_most: int | None = None) -> list[Item]:
    """The file's items, the text of each in the first of these fields that its row has.

    Raises DataError for a row that is none, has no text, has an id that an earlier row has with another text, has a field
    of those that will be `written`, or is in a script without blanks between words. A row that is there twice is one item.
    """
    if at_most is not None and at_most < 1:
        raise DataError(f"--items {at_most}: take at least one.", "Leave it out to take all.")
    if not path.is_file():
        raise DataError(f"{path} does not exist.", "Give a file of JSON lines, one text a row.")
    found: dict[str, Item] = {}
    for origin, item in islice(_items(path, texts), at_most):
        known = found.setdefault(item.id, item)
        if known != item:
            raise DataError(f"{origin}: the id {item.id!r} is another row's too.", "Give each row an id of its own.")
        taken = next((name for name in (*written, *OWN) if name in item.row or name == item.field), None)
        if taken is not None:
            raise DataError(f"{origin}: a field {taken!r} is there already, and would be written over.", "Rename it.")
        if len(UNSPACED.findall(item.text)) > 0.3 * len(item.text):
            raise DataError(
                f"{origin}: its script has no blanks between words, and words are what answers are checked by.",
                "Give texts in a script that has.",
            )
    return list(found.values())


def _items(path: Path, texts: Sequence[str]) -> Iterator[tuple[str, Item]]:
    for entry in entries(path):
        if entry.problem is not None:
            raise DataError(f"{entry.origin}: {entry.problem}.", "Fix or remove the row.")
        row = entry.row
        field = next((name for name in texts if isinstance(row.get(name), str) and row[name].strip()), None)
        if field is None:
            fields = ", ".join(row) or "none"
            raise DataError(
                f"{entry.origin}: no text in {' or '.join(texts)} (its fields: {fields}).",
                "Name the field with --text.",
            )
        text, title = " ".join(row[field].split()), row.get("title")
        title = " ".join(title.split()) if isinstance(title, str) and field != "title" else ""
        own = next((str(row[name]) for name in IDS if row.get(name) not in (None, "")), None)
        own = own or hashlib.sha256(f"{title}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
        kept = {name: value for name, value in row.items() if name != field}
        yield entry.origin, Item(own, title, text, field, kept)
