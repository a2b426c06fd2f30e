"""Pages of an API over HTTP: asked for politely, again where the way fails, and each kept until the rows are written.

So a run that was cut off, or that used up a quota, goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.building.extra import check_extra
from harness.errors import DataError
from harness.files import Json, write_whole

AGENT = "harness (evaluation of fine-tuned models)"
ATTEMPTS = 6  # of one request, with pauses of 1, 2, 4, 8 and 16 seconds, where the server or the way to it fails
PATIENCE = 60.0  # seconds without a byte of an answer
LONGEST_PAUSE = 300.0  # seconds that are waited because an API asks for it; a longer one ends the run
WEEK = 7 * 24 * 3600.0  # seconds after which a kept page is asked for anew: what it tells has changed
AGAIN = "Run again later: it goes on where it was."

# What a status and the bytes of an answer say; None where the same is to be asked again.
Reader = Callable[[int, bytes], Json | None]


@dataclass
class Pages:
    """The pages that were fetched so far, in a folder; `interval` is the time in seconds between two requests."""

    folder: Path
    interval: float = 0.0
    not_before: dict[str, float] = field(default_factory=dict)  # by method: when it may be called, on time.monotonic

    def page(
        self, url: str, method: str, asked: Mapping[str, object], read: Reader, secret: Mapping[str, str] = {}
    ) -> Json:
        """The page of a request, as kept or else fetched; `secret` parameters are sent, and neither kept nor told.

        Raises DataError where no attempt is answered; what `read` raises ends the run.
        """
        name = hashlib.sha256(json.dumps([url, asked], sort_keys=True).encode()).hexdigest()
        kept = self.folder / f"{name[:32]}.json"
        if not kept.exists() or time.time() - kept.stat().st_mtime > WEEK:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(self._fetched(url, method, {**asked, **secret}, read)))
        page: Json = json.loads(kept.read_text())
        return page

    def pause(self, method: str, seconds: float) -> None:
        """Do not call the method again before so many seconds have passed. Raises DataError where they are too many."""
        if not seconds <= LONGEST_PAUSE:
            raise DataError(f"the API asks for {seconds:,.0f} seconds without a request ({method}).", AGAIN)
        self.not_before[method] = max(self.not_before.get(method, 0.0), time.monotonic() + seconds)

    def forget(self) -> None:
        """Remove what was fetched; the rows are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fetched(self, url: str, method: str, asked: Mapping[str, object], read: Reader) -> Json:
        check_extra("requests", f"ask {url}")
        import requests

        for attempt in range(ATTEMPTS):
            time.sleep(max(0.0, self.not_before.get(method, 0.0) - time.monotonic()))
            self.pause(method, self.interval)
            try:
                answer = requests.get(url, params=asked, timeout=PATIENCE, headers={"User-Agent": AGENT})  # type: ignore[arg-type]
            except requests.RequestException as error:
                page, failure = None, type(error).__name__  # its text may hold what is secret
            else:
                page, failure = read(answer.status_code, answer.content), f"HTTP {answer.status_code}"
            if page is not None:
                return page
            self.pause(method, 2.0**attempt)
        raise DataError(f"{url}: no answer after {ATTEMPTS} attempts ({failure}).", AGAIN)
