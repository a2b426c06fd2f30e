"""Papers of arXiv -> rows with title, abstract, authors and citation: from the metadata snapshot, or by the API.

The snapshot has one paper a line, and its licence (https://www.kaggle.com/datasets/Cornell-University/arxiv); it is read as it is,
a line at a time. The API (https://info.arxiv.org/help/api) gives pages of an Atom feed, and no licence. It asks for three
seconds between requests, and gives no more than 30,000 papers of a query. Pages are in the order of submission, so that new
papers move none; where their number has changed between two pages all the same, that is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from harness.data.building.output import line_of, rows_file
from harness.data.building.pages import Pages
from harness.errors import DataError, HarnessError
from harness.files import Json

ATOM = {"atom": "http://www.w3.org/2005/Atom", "search": "http://a9.com/-/spec/opensearch/1.1/"}
PAGE = 200  # papers of a request
POLITE = 3.0  # seconds between two requests
WORD = re.compile(r"\w+")
MOST = 30_000  # papers of a query that the API gives
STOPWORDS = frozenset(
    ["a", "an", "and", "are", "as", "at", "be", "by", "for", "in", "is", "of", "on", "or", "the", "to", "with"]
)  # a search may not know them
VERSION = re.compile(r"(?P<id>.+?)(?P<version>v\d+)?$")
CATEGORY = re.compile(r"[a-z-]+(\.[A-Za-z-]+)?")
BELIEVED = 3  # answers that there is no such paper: a single one may be wrong
AGAIN = "The file is cut or damaged: fetch it again."
FEWER = "Ask for less: other categories, fewer words."


@dataclass(frozen=True)
class Wanted:
    """Which papers are taken: by the API the earliest submitted first, of the snapshot in its order."""

    categories: tuple[str, ...] = ()  # any of them, such as stat.ME
    words: tuple[str, ...] = ()  # all of them in title or abstract, whatever their case
    rows: int | None = None  # at most

    def __post_init__(self) -> None:
        odd = next((name for name in self.categories if not CATEGORY.fullmatch(name)), None)
        if odd is not None:
            raise HarnessError(f"--categories {odd}: that is no category of arXiv.", "Write them as stat.ME,stat.AP.")
        if self.rows is not None and self.rows < 1:
            raise HarnessError(f"--rows {self.rows}: take at least one.", "Leave it out to take all.")
        if not self.categories and not self.words:
            raise HarnessError("which papers?", "Give --categories, --query, or both.")

    def holds(self, paper: Json) -> bool:
        """Whether a paper is one of them."""
        if self.categories and set(self.categories).isdisjoint(paper["categories"]):
            return False
        if not self.words:
            return True
        return set(self.words) <= set(words_of(f"{paper['title']} {paper['abstract']}"))


@dataclass
class Papers:
    """Papers by the API."""

    wanted: Wanted
    pages: Pages
    url: str = "https://export.arxiv.org/api/query"
    say: Callable[[str], None] = print
    empty: int = 0  # first pages so far that said that there is no such paper

    def __str__(self) -> str:
        return self.url

    def __iter__(self) -> Iterator[Json]:
        """The wanted papers, page by page, until there are no more."""
        seen: set[str] = set()
        start, total = 0, 1
        while start < total:
            page = self.pages.page(self.url, "query", self._asked(start), partial(self._read, start))
            if start == 0:
                total = page["total"]
                self.say(f"arXiv has {total:,} papers that its search finds")
                if total > MOST and (self.wanted.rows is None or self.wanted.rows > MOST):
                    raise DataError(f"arXiv gives {MOST:,} of {total:,} papers.", "Ask for less, or read the snapshot.")
            elif page["total"] != total:
                self.say(
                    f"{page['total'] - total:+,} papers since the first page: some may be missing; ask again for all"
                )
                total = page["total"]
            for paper in page["papers"]:
                if paper["id"] not in seen and self.wanted.holds(paper):
                    yield paper
                seen.add(paper["id"])
            start += PAGE

    def _asked(self, start: int) -> Json:
        any_of = " OR ".join(f"cat:{name}" for name in self.wanted.categories)
        asked = [word for word in self.wanted.words if word not in STOPWORDS] or self.wanted.words
        query = " AND ".join([*([f"({any_of})"] if any_of else []), *(f"(ti:{word} OR abs:{word})" for word in asked)])
        order = {"sortBy": "submittedDate", "sortOrder": "ascending"}
        return {"search_query": query, "start": start, "max_results": PAGE, **order}

    def _read(self, start: int, status: int, content: bytes) -> Json | None:
        """The papers of a page; None where it is to be asked again: the API at times gives an empty page for a full one."""
        try:
            feed = ElementTree.fromstring(content)
            total = int(feed.findtext("search:totalResults", namespaces=ATOM) or "")
            entries = feed.findall("atom:entry", ATOM)
            errors = [_text(entry, "summary") for entry in entries if "/api/errors" in _text(entry, "id")]
            papers = [] if errors else [_from_atom(entry) for entry in entries]
        except (ElementTree.ParseError, ValueError, LookupError):
            return None
        if errors:
            raise DataError(f"{self.url}: {errors[0]}", "Check --categories and --query.")
        self.empty += total == start == 0
        if self.empty == BELIEVED:
            raise DataError(f"{self.url} finds no such paper, asked {BELIEVED} times.", FEWER)
        if status != 200 or len(papers) < min(PAGE, max(1, total - start)):
            return None
        return {"total": total, "papers": papers}


@dataclass(frozen=True)
class Snapshot:
    """Papers of the metadata snapshot, `arxiv-metadata-oai-snapshot.json`."""

    path: Path
    wanted: Wanted

    def __str__(self) -> str:
        return str(self.path)

    def __iter__(self) -> Iterator[Json]:
        """The wanted papers, in the file's order. Raises DataError for a line that is no paper."""
        if not self.path.is_file():
            raise DataError(f"{self.path} does not exist.", "Give the snapshot's JSON file, or none to ask the API.")
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    paper = _from_snapshot(json.loads(line))
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                    raise DataError(f"{self.path}:{number} is no paper of the snapshot.", AGAIN) from None
                if self.wanted.holds(paper):
                    yield paper


def write_papers(papers: Papers | Snapshot, output: Path) -> int:
    """Write the wanted papers, whole or not at all; how many there are. Raises DataError where there are none."""
    count, most = 0, papers.wanted.rows
    with rows_file(output) as file:
        for paper in papers:
            file.write(line_of({**paper, "citation": _citation(paper)}))
            count += 1
            if count == most:
                break
        if not count:
            raise DataError(f"{papers} has no such paper.", FEWER)
    return count


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, in lower case."""
    return tuple(WORD.findall(text.lower()))


def _from_snapshot(line: Json) -> Json:
    version = line["versions"][-1]["version"]
    created = line["versions"][0]["created"]  # 'Mon, 2 Apr 2007 19:18:42 GMT'
    authors = [" ".join(filter(None, (first, last, suffix))) for last, first, suffix, *_ in line["authors_parsed"]]
    return _paper(line["id"], version, line["title"], line["abstract"]) | {
        "authors": authors, "categories": line["categories"].split(), "year": int(created.split()[3]), "licence": line["license"],
    }  # fmt: skip


def _from_atom(entry: ElementTree.Element) -> Json:
    found = VERSION.match(_text(entry, "id").rsplit("/abs/", 1)[-1])
    if found is None or not found["id"]:
        raise ValueError("an entry without an id")
    return _paper(found["id"], found["version"] or "v1", _text(entry, "title"), _text(entry, "summary")) | {
        "authors": [_text(author, "name") for author in entry.findall("atom:author", ATOM)],
        "categories": [str(one.get("term")) for one in entry.findall("atom:category", ATOM)],
        "year": int(_text(entry, "published")[:4]),
        "licence": None,
    }


def _paper(own: str, version: str, title: str, abstract: str) -> Json:
    url = f"https://arxiv.org/abs/{own}{version}"
    return {"id": own, "version": version, "title": " ".join(title.split()), "abstract": " ".join(abstract.split()), "url": url}  # fmt: skip


def _text(entry: ElementTree.Element, name: str) -> str:
    return entry.findtext(f"atom:{name}", "", ATOM).strip()


def _citation(paper: Json) -> str:
    named = ", ".join(paper["authors"][:3]) + (" et al." if len(paper["authors"]) > 3 else "")
    return f"{named} ({paper['year']}). {paper['title']}. arXiv:{paper['id']}{paper['version']}"
