"""Questions and answers from the Stack Exchange API, page by page, as its documentation asks: https://api.stackexchange.com/docs

Each page is kept until the rows are written, so that a run that was cut off, or that used up the day's quota, goes on where it
was. A key raises the quota from 300 to 10,000 requests a day; it is read from STACKEXCHANGE_KEY, and written nowhere.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.building.dump import Post
from harness.errors import DataError
from harness.files import Json, write_whole

KEY = "STACKEXCHANGE_KEY"
PAGE = 100  # items of a page, and ids of a request: the most that the API allows
ATTEMPTS = 6  # of one request, with pauses of 1, 2, 4, 8 and 16 seconds, where the server or the way to it fails
PATIENCE = 60.0  # seconds that one answer may take
WEEK = 7 * 24 * 3600.0  # seconds after which a kept page is asked for anew: scores and answers have changed
LONGEST_PAUSE = 300.0  # seconds that are waited because the API asks for it; a longer ban ends the run


@dataclass
class Api:
    """The posts of a site with some tags, the questions of the highest score first."""

    site: str
    tags: tuple[str, ...]
    min_score: int
    rows: int | None  # of each tag no more questions with an answer are asked for
    pages: Path  # the folder of what was fetched
    url: str = "https://api.stackexchange.com/2.3"
    say: Callable[[str], None] = print
    not_before: dict[str, float] = field(
        default_factory=dict
    )  # by method: when it may be called again, on time.monotonic

    def __str__(self) -> str:
        return f"{self.site} by {self.url}"

    def posts(self, take: Callable[[Post], None], answered: Callable[[], int]) -> None:
        """Call `take` with each question and then its answers, as posts of a dump."""
        self.pages.mkdir(parents=True, exist_ok=True)
        for tag in self.tags or ("",):
            before = answered()
            wanted = {"sort": "votes", "order": "desc", "min": self.min_score, **({"tagged": tag} if tag else {})}
            for questions in self._pages("questions", "questions", wanted):
                for one in questions:
                    take(_question(one))
                ids = [str(one["question_id"]) for one in questions if one.get("answer_count", 1)]
                for answers in self._pages(f"questions/{';'.join(ids)}/answers", "answers", {}) if ids else ():
                    for one in answers:
                        take(_answer(one))
                if self.rows is not None and answered() - before >= self.rows:
                    break

    def names(self, ids: set[str]) -> dict[str, str]:
        """None: each post tells its author."""
        return {}

    def forget(self) -> None:
        """Remove what was fetched; the rows are written."""
        shutil.rmtree(self.pages, ignore_errors=True)

    def _pages(self, path: str, method: str, parameters: Json) -> Iterator[list[Json]]:
        number, more = 1, True
        while more:
            page = self._page(path, method, {**parameters, "page": number})
            yield page["items"]
            number, more = number + 1, page["has_more"]

    def _page(self, path: str, method: str, parameters: Json) -> Json:
        """One page, as kept or else from the API."""
        asked = {"site": self.site, "pagesize": PAGE, "filter": "withbody", **parameters}
        name = hashlib.sha256(json.dumps([path, asked], sort_keys=True).encode()).hexdigest()
        kept = self.pages / f"{name[:32]}.json"
        if not kept.exists() or time.time() - kept.stat().st_mtime > WEEK:
            write_whole(kept, json.dumps(self._fetched(path, method, asked)))
        page: Json = json.loads(kept.read_text())
        return page

    def _fetched(self, path: str, method: str, asked: Json) -> Json:
        import requests

        key = os.environ.get(KEY)
        with_key = {**asked, **({"key": key} if key else {})}
        failure = ""
        for attempt in range(ATTEMPTS):
            time.sleep(max(0.0, self.not_before.get(method, 0.0) - time.monotonic()))
            try:
                answer = requests.get(f"{self.url}/{path}", params=with_key, timeout=PATIENCE)
                page = self._read(answer.status_code, answer.content, method)
            except requests.RequestException as error:
                page, failure = None, type(error).__name__  # its text may hold the key
            if page is not None:
                return page
            failure = failure or f"HTTP {answer.status_code}"
            self._pause(method, 2.0**attempt)
        raise DataError(
            f"{self.url}: no answer to {method} after {ATTEMPTS} attempts ({failure}).",
            f"{AGAIN} --api-url names another.",
        )

    def _read(self, status: int, content: bytes, method: str) -> Json | None:
        """What the API answered; None where it is to be asked again. Raises DataError where that would not help."""
        try:
            found: Any = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            return None  # a proxy's page, or an answer that was cut
        if "backoff" in found:
            self._pause(method, float(found["backoff"]))
        if "error_id" in found:
            self._refused(found, method)
            return None
        if status != 200 or not isinstance(found.get("items"), list):
            return None
        left = found.get("quota_remaining")
        if left is not None and left < 20:
            self.say(f"{self.site}: {left} requests of today's quota are left")
        return {"items": found["items"], "has_more": bool(found.get("has_more"))}

    def _refused(self, found: Json, method: str) -> None:
        """Raise DataError for an error that stays; wait where it passes (https://api.stackexchange.com/docs/error-handling)."""
        name, said = found.get("error_name", ""), str(found.get("error_message", ""))
        if name in ("internal_error", "temporarily_unavailable"):
            return
        if name == "throttle_violation":
            seconds = next((float(word) for word in said.split() if word.isdigit()), 60.0)
            if seconds <= LONGEST_PAUSE:
                return self._pause(method, seconds)
            raise DataError(f"{self.site}: the API refuses for {seconds:,.0f} seconds: {said}.", f"{AGAIN} {BY_KEY}")
        raise DataError(f"{self.site}: the API says {name or found['error_id']}: {said}.", f"{CORRECT} {BY_KEY}")

    def _pause(self, method: str, seconds: float) -> None:
        self.not_before[method] = max(self.not_before.get(method, 0.0), time.monotonic() + seconds)


AGAIN = "Run again later: it goes on where it was."
BY_KEY = f"A key raises the quota: register one at stackapps.com and set {KEY}."
CORRECT = "Check --site and --tags."


def _question(one: Json) -> Post:
    return _post(one, "1", one["question_id"]) | {
        "Title": html.unescape(one.get("title", "")),
        "Tags": "|".join(one.get("tags", [])),
        **({"AcceptedAnswerId": str(one["accepted_answer_id"])} if "accepted_answer_id" in one else {}),
    }


def _answer(one: Json) -> Post:
    return _post(one, "2", one["answer_id"]) | {"ParentId": str(one["question_id"])}


def _post(one: Json, kind: str, own: int) -> Post:
    owner = one.get("owner", {})
    found = {
        "Id": own, "PostTypeId": kind, "Score": one.get("score", 0), "Body": one.get("body", ""),
        "OwnerUserId": owner.get("user_id"), "OwnerDisplayName": html.unescape(owner.get("display_name", "")),
        "ContentLicense": one.get("content_license"),
    }  # fmt: skip
    return {name: str(value) for name, value in found.items() if value not in (None, "")}
