"""What jobs report while they run: plain values, which the session collects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import HarnessError


@dataclass(frozen=True)
class Trained:
    """A checkpoint was made and published."""

    stage: str


@dataclass(frozen=True)
class Measured:
    """An evaluation was made and published."""

    key: str
    name: str


@dataclass(frozen=True)
class MeasuringFailed:
    """An evaluation failed; the subject's other suites go on."""

    key: str
    error: HarnessError


@dataclass(frozen=True)
class StoppedEarly:
    """An evaluation under --adaptive asked fewer samples than its suite has."""

    name: str
    spared: int
    available: int


@dataclass(frozen=True)
class Note:
    """A line to show beside the results."""

    text: str


Event = Trained | Measured | MeasuringFailed | StoppedEarly | Note
Listener = Callable[[Event], None]
