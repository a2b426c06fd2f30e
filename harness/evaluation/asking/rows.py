"""The rows that suites ask about, read once per session."""

from __future__ import annotations

from collections.abc import Callable

from harness.data.reading.rows import Access, Loaded, load
from harness.data.sources import Row
from harness.evaluation.asking.samples import samples_of
from harness.suite import Sample, Suite


class SuiteRows:
    """Each suite's rows and samples. `left_out(who, loaded)` is called once for each suite, to report rows left out."""

    def __init__(self, access: Access, left_out: Callable[[str, Loaded], None] = lambda who, loaded: None) -> None:
        self.access, self.left_out = access, left_out
        self._rows: dict[str, list[Row]] = {}

    def rows(self, suite: Suite) -> list[Row]:
        """The suite's rows, one for each sample; empty if the suite has no dataset, and its task brings the samples."""
        if suite.dataset is None:
            return []
        if suite.name not in self._rows:
            loaded = load(suite.dataset, self.access, raw=True)
            samples_of(suite, loaded.rows)  # so that a row without a sample is an error now, not after a training
            self.left_out(f"suite {suite.name}", loaded)
            self._rows[suite.name] = loaded.rows
        return self._rows[suite.name]

    def samples(self, suite: Suite) -> list[Sample]:
        """The suite's samples."""
        return samples_of(suite, self.rows(suite)) if suite.dataset is not None else []
