"""What one measuring job and those who help it have still to ask, when devices are idle."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Spread(Generic[Item]):
    """A queue that several devices take from: half of a fair share at a time, and less and less of it.

    So few requests are made, and all end at about the same time (guided self-scheduling, Polychronopoulos and Kuck 1987,
    IEEE Transactions on Computers C-36). With one device all is taken at once.
    """

    def __init__(self, items: Sequence[Item], devices: int) -> None:
        self.left, self.devices = list(items), devices
        self.helpers, self.closed = 0, False  # how many help; whether nothing more is to be done
        self._changed = threading.Condition()

    @property
    def can_be_helped(self) -> bool:
        """Whether another device would find something to do."""
        return self.devices > 1 and len(self.left) > 1 and self.helpers < self.devices - 1

    def take(self) -> list[Item]:
        """What to do next; nothing where all is taken."""
        with self._changed:
            count = len(self.left) if self.devices == 1 else math.ceil(len(self.left) / (2 * self.devices))
            taken, self.left = self.left[:count], self.left[count:]
            return taken

    def until_done(self) -> Iterator[list[Item]]:
        """What to do next, until all is done by all: what a helper gives back comes again."""
        while True:
            while taken := self.take():
                yield taken
            with self._changed:
                self._changed.wait_for(lambda: self.left or not self.helpers)
                if not self.left:
                    return

    def close(self) -> None:
        """Nothing more is taken. Returns when nobody helps any more: what they had begun, they have ended."""
        with self._changed:
            self.closed, self.left = True, []
            self._changed.wait_for(lambda: not self.helpers)

    def begin_to_help(self) -> bool:
        """Whether there is something to do for one more, who is counted from now on."""
        with self._changed:
            helps = self.can_be_helped
            self.helpers += helps
            return helps

    @contextmanager
    def helping(self, wanted: Callable[[], bool]) -> Iterator[Iterator[list[Item]]]:
        """What the helper is to do next, until it is wanted elsewhere. What an error ended is left to the others."""
        under_way: list[Item] = []

        def parts() -> Iterator[list[Item]]:
            nonlocal under_way
            while not wanted() and (under_way := self.take()):
                yield under_way
                under_way = []

        try:
            yield parts()
        finally:
            with self._changed:
                self.left = [] if self.closed else under_way + self.left
                self.helpers -= 1
                self._changed.notify_all()
