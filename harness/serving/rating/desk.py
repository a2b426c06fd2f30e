"""Raters and their ratings: a name is joined, the next pair is shown, what is said is kept before it is answered."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessError, StoreError
from harness.files import Json
from harness.serving.rating.showings import Item, Showing, showings
from harness.store import Store
from harness.store.ratings import Comparison, RaterFile, Rating, raters_of

LONGEST_NAME, LONGEST_NOTE = 60, 2_000  # characters


class NameTaken(HarnessError):
    """Another browser rates under that name."""


class Outdated(HarnessError):
    """What is said is about answers that are not shown any more."""


@dataclass
class Desk:
    """One comparison that is rated. Safe to use from several threads."""

    store: Store
    comparison: Comparison
    items: Sequence[Item]
    _raters: dict[str, tuple[RaterFile, list[Showing]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, name: str, secret: str, same_person: bool) -> Json:
        """Take part under a name. Raises NameTaken unless the browser is known, or its user says to be the same."""
        name = cleaned(name)
        with self._lock:
            folded = {known.casefold(): known for known in (*raters_of(self.store, self.comparison), *self._raters)}
            name = folded.get(name.casefold(), name)
            file, _ = self._raters.get(name) or self._opened(name, secret)
            if not file.known(secret):
                if not same_person:
                    rated = len(file.last)
                    raise NameTaken(
                        f"{name} has rated {rated} here already.",
                        "If that is you, on another browser, go on; else take another name.",
                    )
                file.taken_over(secret)
            return self._state(name, None)

    def show(self, name: str, secret: str, at: int | None) -> Json:
        """The showing at that place; the first that is not rated where None."""
        with self._lock:
            self._known(name, secret)
            return self._state(name, at)

    def rate(self, name: str, secret: str, said: Json) -> Json:
        """Keep a rating. Raises Outdated where it is about other answers."""
        with self._lock:
            file, shown = self._known(name, secret)
            if said.get("comparison") != self.comparison.key:
                raise Outdated("the answers have been made anew since this page was opened.", "Reload the page.")
            place = (said.get("sample"), said.get("again"))
            found = next((one for one in shown if one.place == place), None)
            if found is None:
                raise Outdated("this is not one of the pairs that are rated.", "Reload the page.")
            file.add(self._rating(name, found, said))
            return self._state(name, None)

    def share(self) -> StoreError | None:
        """Let the other machines have all that was said; the reason where they cannot. It is kept here all the same."""
        problem = None
        for file, _ in list(self._raters.values()):
            try:
                file.share()
            except StoreError as error:
                problem = error
        return problem

    def _opened(self, name: str, secret: str) -> tuple[RaterFile, list[Showing]]:
        file = RaterFile(self.store, self.comparison, name, secret)
        self._raters[name] = file, showings(self.items, self.comparison.key, name)
        return self._raters[name]

    def _known(self, name: str, secret: str) -> tuple[RaterFile, list[Showing]]:
        found = self._raters.get(name)
        if found is None and name in raters_of(self.store, self.comparison):  # joined before the server was ended
            found = self._opened(name, secret)
        if found is None or not found[0].known(secret):
            raise NameTaken("this browser has not said whose it is.", "Reload the page.")
        return found

    def _rating(self, name: str, shown: Showing, said: Json) -> Rating:
        names = self.comparison.subjects
        value, seconds, note = said.get("value"), said.get("seconds"), said.get("note") or ""
        if self.comparison.points is not None:
            if value not in [str(one) for one in range(1, self.comparison.points + 1)]:
                raise Outdated(f"{value!r} is not on the scale from 1 to {self.comparison.points}.")
        elif value in ("left", "right"):
            value = ("first", "second")[shown.order[0 if value == "left" else 1]]
        elif value not in ("same", "bad"):
            raise Outdated(f"{value!r} is nothing that can be said of a pair.")
        return Rating(
            rater=name,
            sample_id=shown.item.sample_id,
            showing=shown.again,
            value=str(value),
            on_left=names[shown.order[0]],
            note=whole(str(note)[:LONGEST_NOTE]),
            seconds=round(float(seconds), 1) if isinstance(seconds, int | float) and 0 <= seconds < 1e6 else None,
        )

    def _state(self, name: str, at: int | None) -> Json:
        """What the page shows: the pair without names, and how many are rated."""
        file, shown = self._raters[name]
        open_ = [i for i, one in enumerate(shown) if one.place not in file.last]
        here = at if at is not None and 0 <= at < len(shown) else next(iter(open_), None)
        state: Json = {
            "name": name, "comparison": self.comparison.key, "points": self.comparison.points, "done": len(shown) - len(open_),
            "total": len(shown), "at": here, "shown": None,
        }  # fmt: skip
        if here is not None:
            one = shown[here]
            earlier = file.last.get(one.place)
            state["shown"] = {
                "sample": one.item.sample_id, "again": one.again, "prompt": one.item.prompt, "answers": [one.item.answers[i] for i in one.order],
                "value": _as_shown(earlier, one), "note": earlier.note if earlier else "",
            }  # fmt: skip
        return state


def _as_shown(earlier: Rating | None, shown: Showing) -> str | None:
    """What was said earlier, in the page's words."""
    if earlier is None:
        return None
    sides = {"first": 0, "second": 1}
    if earlier.value not in sides:
        return earlier.value
    return "left" if shown.order[0] == sides[earlier.value] else "right"


def whole(text: str) -> str:
    """The text with a question mark for each half of a character, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def cleaned(name: str) -> str:
    """A name as it is kept. Raises NameTaken for one that is none."""
    text = unicodedata.normalize("NFC", " ".join(str(name).split()))
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise NameTaken(f"a name has 1 to {LONGEST_NAME} letters.", "Type your name, or initials.")
    return text
