"""A Stack Exchange dump -> its rows, one call for each: `Posts.xml`, `Users.xml`, or the site's `.7z` with both.

The files are parsed as they are read or decompressed, a piece at a time, so memory does not grow with them. Schema:
https://meta.stackexchange.com/questions/2677
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from harness.data.building.extra import check_extra
from harness.errors import DataError, HarnessError

Post = dict[str, str]  # the attributes of a <row>
PIECE = 2**20  # bytes read at once
AGAIN = "The file is cut or damaged: fetch it again."


@dataclass(frozen=True)
class Dump:
    """The posts of a dump, and the names of its users."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def posts(self, take: Callable[[Post], None], answered: Callable[[], int]) -> None:
        """Call `take` with every post, in the dump's order."""
        if not self.path.is_file():
            raise DataError(f"{self.path} does not exist.", "Give Posts.xml of a site's dump, or its .7z.")
        for_each_row(self.path, "posts", take)

    def names(self, ids: set[str]) -> dict[str, str]:
        """Names of these users by id; empty where the dump has no users."""
        where = beside(self.path, "users")
        found: dict[str, str] = {}

        def take(user: Post) -> None:
            if user.get("Id") in ids and user.get("DisplayName"):
                found[user["Id"]] = user["DisplayName"]

        if where is not None:
            for_each_row(where, "users", take)
        return found


def for_each_row(dump: Path, table: str, take: Callable[[Post], None]) -> None:
    """Call `take` with each row of a table (`posts`, `users`) of the dump, in its order.

    Raises DataError for a file that is no such table, is cut, or declares entities; HarnessError where a `.7z` is given
    and py7zr is not installed.
    """
    reader = _Reader(dump, table, take)
    if dump.suffix.lower() == ".7z":
        return _unpack(dump, f"{table.capitalize()}.xml", reader)
    with dump.open("rb") as file:
        while piece := file.read(PIECE):
            reader.feed(piece)
    reader.close()


def beside(dump: Path, table: str) -> Path | None:
    """Where a dump that was read has another of its tables: in the same archive, or in a file beside it."""
    member = f"{table.capitalize()}.xml"
    if dump.suffix.lower() != ".7z":
        return found if (found := dump.with_name(member)).is_file() else None
    if dump.stem.endswith("-Posts"):  # the largest site's tables are archives of their own
        other = dump.with_name(f"{dump.stem.removesuffix('-Posts')}-{table.capitalize()}.7z")
        return other if other.is_file() else None
    with _opened(dump) as archive:
        return dump if member in archive.getnames() else None


@contextmanager
def _opened(archive: Path) -> Iterator[Any]:
    """The 7z archive. Raises DataError where it cannot be read, whatever the library says of damaged bytes."""
    import py7zr

    try:
        with py7zr.SevenZipFile(archive) as opened:
            yield opened
    except HarnessError:
        raise
    except OSError as error:
        if error.errno is not None:  # of the disk, not of the bytes
            raise
        raise DataError(f"{archive} cannot be decompressed: {error}.", AGAIN) from None
    except Exception as error:
        raise DataError(f"{archive} cannot be decompressed: {error or type(error).__name__}.", AGAIN) from None


class _Reader:
    """A parser that is fed pieces of one XML file."""

    def __init__(self, dump: Path, table: str, take: Callable[[Post], None]) -> None:
        self.dump, self.table, self.take = dump, table, take
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._first
        self.parser.EntityDeclHandler = self._entity

    def feed(self, piece: bytes, last: bool = False) -> None:
        """Parse a further piece."""
        try:
            self.parser.Parse(piece, last)
        except expat.ExpatError as error:
            self._refuse(expat.ErrorString(error.code))
        except (LookupError, ValueError) as error:  # of its encoding
            self._refuse(str(error))

    def close(self) -> None:
        """Raise DataError unless the file has ended as a whole."""
        self.feed(b"", last=True)

    def _first(self, name: str, attributes: Post) -> None:
        if name != self.table:
            raise DataError(
                f"{self.dump} holds <{name}>, and <{self.table}> is wanted.",
                f"Give {self.table.capitalize()}.xml of the site's dump, or the .7z with it.",
            )
        self.parser.StartElementHandler = self._row

    def _row(self, name: str, attributes: Post) -> None:
        try:
            self.take(attributes)
        except KeyError as error:
            self._refuse(f"a row has no {error.args[0]}")
        except (ValueError, OverflowError) as error:
            self._refuse(f"a row's number is none ({error})")

    def _refuse(self, why: str) -> NoReturn:
        line = self.parser.CurrentLineNumber
        raise DataError(f"{self.dump}: line {line:,} of its {self.table}: {why}.", AGAIN) from None

    def _entity(self, name: str, *rest: Any) -> None:
        raise DataError(f"{self.dump} declares an entity {name!r}, which no such dump does.", AGAIN)


def _unpack(archive: Path, member: str, reader: _Reader) -> None:
    """Feed the reader a member of a 7z archive while it is decompressed."""
    check_extra("py7zr", f"read {archive.name}", "; or unpack the file and give its Posts.xml")
    from py7zr.io import Py7zIO, WriterFactory

    class Fed(Py7zIO):
        length = 0

        def write(self, s: bytes | bytearray) -> int:
            reader.feed(bytes(s))
            self.length += len(s)
            return len(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return offset

        def flush(self) -> None:
            return None

        def size(self) -> int:
            return self.length

    class Feeds(WriterFactory):
        def create(self, filename: str) -> Py7zIO:
            return Fed()

    with _opened(archive) as opened:
        if member not in opened.getnames():
            held = ", ".join(opened.getnames()[:8]) or "nothing"
            raise DataError(f"{archive} holds no {member} (it holds {held}).", "Give the site's whole dump.")
        opened.extract(targets=[member], factory=Feeds())
    reader.close()
