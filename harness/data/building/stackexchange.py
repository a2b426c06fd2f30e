"""Posts of a Stack Exchange site -> rows of questions with their answer, each with its address, authors and licence.

The posts are read once. What may be wanted lies in a file beside the output until all have been seen, so memory holds
some 200 bytes for each such question, and no text.
"""

from __future__ import annotations

import json
import re
import tempfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from harness.data.building.dump import Post
from harness.data.building.extra import check_extra
from harness.data.building.output import line_of, rows_file
from harness.data.building.readable import as_text
from harness.errors import DataError, HarnessError
from harness.files import Json

HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
TAG = re.compile(r"[a-z0-9.+#-]+")
QUESTION, ANSWER = "1", "2"  # PostTypeId
OLD_LICENCE = "CC BY-SA"  # of posts in dumps from before posts named theirs
NONE = -1


@dataclass(frozen=True)
class Wanted:
    """Which questions are taken, and which of their answers."""

    tags: tuple[str, ...] = ()  # any of them; all questions where there are none
    min_score: int = 0  # of the question
    min_answer_score: int = 0  # of the answer, accepted or not
    accepted: bool = False  # accepted answers alone
    rows: int | None = None  # at most, those of the highest question score; of equal ones the older

    def __post_init__(self) -> None:
        odd = next((name for name in self.tags if not TAG.fullmatch(name)), None)
        if odd is not None:
            raise HarnessError(
                f"--tags {odd}: that is no tag.", "Write them as on the site, comma between: r,time-series."
            )
        if self.rows is not None and self.rows < 1:
            raise HarnessError(f"--rows {self.rows}: take at least one.", "Leave it out to take all.")


def site_of(dump: Path | None, given: str | None) -> str:
    """The site's host: as given, or as the dump's archive is named after it.

    Raises HarnessError where neither says it, it is no host, or the two differ: every address is made from it.
    """
    name = dump.stem.removesuffix("-Posts") if dump is not None and dump.suffix.lower() == ".7z" else ""
    named = name if HOST.fullmatch(name) else None
    site = given or named
    if site is None:
        raise HarnessError("which site is it?", "Say its host: --site stats.stackexchange.com.")
    if not HOST.fullmatch(site):
        raise HarnessError(f"--site {site}: that is no host.", "Write it as stats.stackexchange.com.")
    if named not in (None, site):
        raise HarnessError(
            f"--site {site}: the dump {dump} is of {named}.", "Leave --site out, or give the other dump."
        )
    return site


class Source(Protocol):
    """Where posts come from: a dump, or the site's API."""

    def posts(self, take: Callable[[Post], None], answered: Callable[[], int]) -> None:
        """Call `take` with each post, named as in a dump; `answered` counts the wanted questions with an answer so far."""

    def names(self, ids: set[str]) -> dict[str, str]:
        """Names of users by id, as far as posts do not tell them."""


@dataclass
class Built:
    """What was written, and why the rest was not."""

    posts: int = 0
    questions: int = 0  # of these posts
    wanted: int = 0  # of these questions, by tags and score
    rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> wanted questions

    def leave(self, reason: str) -> None:
        """Count a wanted question that is not written."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def build(source: Source, output: Path, site: str, wanted: Wanted) -> Built:
    """Write a row for each wanted question that has an answer; the file is written whole or not at all.

    `site` is the site's host, such as stats.stackexchange.com, from which addresses are made.
    """
    check_extra("markdownify", "turn posts into text")
    with rows_file(output) as file, tempfile.TemporaryFile(dir=output.parent) as kept:
        pairs = _Pairs(wanted, kept)
        source.posts(pairs.take, pairs.answered)
        pairs.settle()
        for row in _rows(pairs, site, source.names(_authors(pairs))):
            file.write(line_of(row))
            pairs.built.rows += 1
        if not pairs.built.rows:
            raise DataError(f"{source}: {_why_nothing(pairs.built)}", "Ask for less: fewer tags, lower scores.")
    return pairs.built


class _Pairs:
    """The wanted questions, each with the place of its best answer so far in the file of what is kept."""

    def __init__(self, wanted: Wanted, kept: IO[bytes]) -> None:
        self.wanted, self.kept, self.built = wanted, kept, Built()
        self.place: dict[int, int] = {}  # of a question's id in these
        self.own, self.at, self.score, self.accepted = array("q"), array("q"), array("q"), array("q")  # of questions
        # Of their best answers, NONE where there is none yet.
        self.answer_at, self.answer_score, self.answer_id = array("q"), array("q"), array("q")
        self.early: list[tuple[int, int, int, int]] = []  # answers that came before their question

    def take(self, post: Post) -> None:
        """Keep a post, if it is wanted."""
        self.built.posts += 1
        kind = post.get("PostTypeId")
        if kind == QUESTION:
            self.built.questions += 1
            if self._is_wanted(post):
                self._question(post)
        elif kind == ANSWER:
            self._answer(int(post["ParentId"]), int(post["Id"]), int(post.get("Score", 0)), post)

    def settle(self) -> None:
        """Give the answers that came early to their questions, now that all are known."""
        for question, own, score, at in self.early:
            if question in self.place and self._is_better(self.place[question], own, score):
                self._choose(self.place[question], at, own, score)
        self.early.clear()

    def answered(self) -> int:
        """How many of the questions have an answer so far."""
        return len(self.answer_at) - self.answer_at.count(NONE)

    def post_at(self, at: int) -> Post:
        """A post that was kept."""
        self.kept.seek(at)
        post: Post = json.loads(self.kept.readline())
        return post

    def chosen(self) -> list[int]:
        """Places of the questions to write, in the dump's order; why others are not is counted."""
        answered = [i for i, at in enumerate(self.answer_at) if at != NONE]
        self.built.left_out["no such answer"] = len(self.at) - len(answered)
        if self.wanted.rows is None or len(answered) <= self.wanted.rows:
            return answered
        best = sorted(answered, key=lambda i: (-self.score[i], self.own[i]))[: self.wanted.rows]
        self.built.left_out["more than --rows"] = len(answered) - len(best)
        return sorted(best)

    def _is_wanted(self, post: Post) -> bool:
        if int(post.get("Score", 0)) < self.wanted.min_score:
            return False
        return not self.wanted.tags or not set(self.wanted.tags).isdisjoint(tags_of(post))

    def _question(self, post: Post) -> None:
        if int(post["Id"]) in self.place:
            return  # an API gives a question under each of its tags
        self.built.wanted += 1
        self.place[int(post["Id"])] = len(self.at)
        self.own.append(int(post["Id"]))
        self.at.append(self._keep(post))
        self.score.append(int(post.get("Score", 0)))
        self.accepted.append(int(post.get("AcceptedAnswerId", NONE)))
        self.answer_at.append(NONE)
        self.answer_score.append(NONE)
        self.answer_id.append(NONE)

    def _answer(self, question: int, own: int, score: int, post: Post) -> None:
        if score < self.wanted.min_answer_score:
            return
        place = self.place.get(question)
        if place is not None and self._is_better(place, own, score):
            self._choose(place, self._keep(post), own, score)
        elif place is None and question > own:
            self.early.append((question, own, score, self._keep(post)))

    def _is_better(self, place: int, own: int, score: int) -> bool:
        """Whether an answer comes before the best so far: the accepted one, else the highest score, of equal ones the older."""
        if own == self.accepted[place]:
            return True
        if self.wanted.accepted or self.answer_score[place] == ACCEPTED:
            return False
        best = self.answer_score[place], -self.answer_id[place]
        return self.answer_at[place] == NONE or (score, -own) > best

    def _choose(self, place: int, at: int, own: int, score: int) -> None:
        self.answer_at[place], self.answer_id[place] = at, own
        self.answer_score[place] = ACCEPTED if own == self.accepted[place] else score

    def _keep(self, post: Post) -> int:
        at = self.kept.seek(0, 2)
        self.kept.write(json.dumps({name: post[name] for name in KEPT if name in post}).encode() + b"\n")
        return at


ACCEPTED = 2**62  # in place of the score of an accepted answer, which no other is better than
KEPT = ("Id", "Title", "Body", "Tags", "Score", "OwnerUserId", "OwnerDisplayName", "ContentLicense")


def tags_of(post: Post) -> list[str]:
    """The names of a question's tags: `<a><b>` in older dumps, `|a|b|` in newer ones."""
    return [name for name in post.get("Tags", "").replace("><", "|").strip("<>|").split("|") if name]


def _authors(pairs: _Pairs) -> set[str]:
    """Ids of the users whose posts are written."""
    places = [at for place in pairs.chosen() for at in (pairs.at[place], pairs.answer_at[place])]
    return {own for at in places if (own := pairs.post_at(at).get("OwnerUserId"))}


def _rows(pairs: _Pairs, site: str, names: dict[str, str]) -> Iterator[Json]:
    for place in pairs.chosen():
        question, answer = pairs.post_at(pairs.at[place]), pairs.post_at(pairs.answer_at[place])
        page = f"https://{site}/questions/{question['Id']}"
        body, text = as_text(question.get("Body", ""), page), as_text(answer.get("Body", ""), page)
        if body is None or text is None:
            pairs.built.leave("HTML that cannot be read")
        elif not text:
            pairs.built.leave("an answer without text")
        else:
            yield {
                "id": f"{site.removesuffix('.com').removesuffix('.stackexchange')}-{question['Id']}",
                "title": question.get("Title", ""),
                "question": f"{question.get('Title', '')}\n\n{body}".strip(),
                "answer": text,
                "tags": tags_of(question),
                "score": int(question.get("Score", 0)),
                "answer_score": int(answer.get("Score", 0)),
                "accepted": pairs.answer_score[place] == ACCEPTED,
                "url": page,
                "answer_url": f"https://{site}/a/{answer['Id']}",
                "question_author": _author(question, site, names),
                "answer_author": _author(answer, site, names),
                "licence": " and ".join(
                    dict.fromkeys(post.get("ContentLicense", OLD_LICENCE) for post in (question, answer))
                ),
            }


def _author(post: Post, site: str, names: dict[str, str]) -> str:
    """Whom the licence asks to name: a name with the profile's address, or as much of it as the dump tells."""
    own = post.get("OwnerUserId")
    name = names.get(own or "") or post.get("OwnerDisplayName", "")
    link = f"https://{site}/users/{own}" if own else ""
    return f"{name} ({link})" if name and link else name or link or "an author who is not named"


def _why_nothing(built: Built) -> str:
    if not built.posts:
        return "it has no posts."
    if not built.wanted:
        return f"none of its {built.questions:,} questions has these tags and scores."
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in built.left_out.items() if count)
    return f"none of the {built.wanted:,} wanted questions gives a row ({reasons})."
