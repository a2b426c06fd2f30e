"""Questions and answers from the Stack Exchange API, as its documentation asks: https://api.stackexchange.com/docs

A key raises the quota from 300 to 10,000 requests a day; it is read from STACKEXCHANGE_KEY, and written nowhere.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.data.building.dump import Post
from harness.data.building.pages import Pages
from harness.errors import DataError
from harness.files import Json

KEY = "STACKEXCHANGE_KEY"
PAGE = 100  # items of a page, and ids of a request: the most that the API allows
IN_ORDER = {"sort": "creation", "order": "asc"}  # of equal scores the first is then the older, as in a dump
FEW = 20  # requests left of the day's quota, from which it is said


@dataclass
class Api:
    """The posts of a site with some tags, the questions of the highest score first."""

    site: str
    tags: tuple[str, ...]
    min_score: int
    rows: int | None  # of each tag no more questions with an answer are asked for
    pages: Pages
    url: str = "https://api.stackexchange.com/2.3"
    say: Callable[[str], None] = print

    def __str__(self) -> str:
        return f"{self.site} by {self.url}"

    def posts(self, take: Callable[[Post], None], answered: Callable[[], int]) -> None:
        """Call `take` with each question and then its answers, as posts of a dump."""
        for tag in self.tags or ("",):
            before = answered()
            wanted = {"sort": "votes", "order": "desc", "min": self.min_score, **({"tagged": tag} if tag else {})}
            for questions in self._pages("questions", "questions", wanted):
                for one in questions:
                    take(one)
                ids = [one["Id"] for one in questions if one["AnswerCount"] != "0"]
                for answers in self._pages(f"questions/{';'.join(ids)}/answers", "answers", IN_ORDER) if ids else ():
                    for one in answers:
                        take(one)
                if self.rows is not None and answered() - before >= self.rows:
                    break

    def names(self, ids: set[str]) -> dict[str, str]:
        """None: each post tells its author."""
        return {}

    def _pages(self, path: str, method: str, parameters: Json) -> Iterator[list[Post]]:
        number, more = 1, True
        while more:
            page = self._page(path, method, {**parameters, "page": number})
            yield page["posts"]
            number, more = number + 1, page["has_more"]

    def _page(self, path: str, method: str, parameters: Json) -> Json:
        asked = {"site": self.site, "pagesize": PAGE, "filter": "withbody", **parameters}
        key = os.environ.get(KEY)
        secret = {"key": key} if key else {}
        return self.pages.page(
            f"{self.url}/{path}", method, asked, lambda status, content: self._read(status, content, method), secret
        )

    def _read(self, status: int, content: bytes, method: str) -> Json | None:
        """What the API answered; None where it is to be asked again. Raises DataError where that would not help."""
        try:
            found: Any = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            return None  # a proxy's page, or an answer that was cut
        try:
            self.pages.pause(method, float(found.get("backoff") or 0.0))
            left = int(found.get("quota_remaining", FEW))
        except (TypeError, ValueError):
            return None
        if "error_id" in found:
            self._refused(found, method)
            return None
        try:
            posts = [_question(one) if method == "questions" else _answer(one) for one in found["items"]]
        except (LookupError, TypeError, ValueError, AttributeError):
            return None
        if status != 200:
            return None
        if left < FEW:
            self.say(f"{self.site}: {left} requests of today's quota are left")
        return {"posts": posts, "has_more": bool(found.get("has_more"))}

    def _refused(self, found: Json, method: str) -> None:
        """Raise DataError for an error that stays; wait where it passes (https://api.stackexchange.com/docs/error-handling)."""
        name, said = found.get("error_name", ""), str(found.get("error_message", ""))
        if name in ("internal_error", "temporarily_unavailable"):
            return
        if name == "throttle_violation":
            seconds = next((float(word) for word in said.split() if word.isdigit()), 60.0)
            return self.pages.pause(method, seconds)
        raise DataError(f"{self.site}: the API says {name or found['error_id']}: {said}.", f"{CORRECT} {BY_KEY}")


BY_KEY = f"A key raises the quota: register one at stackapps.com and set {KEY}."
CORRECT = "Check --site and --tags; without a key the API gives 25 pages of a tag."


def _question(one: Json) -> Post:
    return _post(one, "1", one["question_id"]) | {
        "Title": html.unescape(one.get("title") or ""),
        "Tags": "|".join(one.get("tags") or []),
        "AnswerCount": str(int(one.get("answer_count", 1))),
        **({"AcceptedAnswerId": str(one["accepted_answer_id"])} if "accepted_answer_id" in one else {}),
    }


def _answer(one: Json) -> Post:
    return _post(one, "2", one["answer_id"]) | {"ParentId": str(one["question_id"])}


def _post(one: Json, kind: str, own: int) -> Post:
    owner = one.get("owner") or {}
    found = {
        "Id": int(own), "PostTypeId": kind, "Score": int(one.get("score", 0)), "Body": one.get("body", ""),
        "OwnerUserId": owner.get("user_id"), "OwnerDisplayName": html.unescape(owner.get("display_name") or ""),
        "ContentLicense": one.get("content_license"),
    }  # fmt: skip
    return {name: str(value) for name, value in found.items() if value not in (None, "")}
