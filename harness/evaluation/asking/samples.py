"""A suite's rows -> its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.data.sources import Row
from harness.errors import SuiteError
from harness.suite import Sample, Suite


def samples_of(suite: Suite, rows: Sequence[Row]) -> list[Sample]:
    """The suite's samples, one for each row. Raises SuiteError if to_sample fails, or an id occurs twice."""
    assert suite.to_sample is not None
    samples: list[Sample] = []
    seen: dict[str, Any] = {}
    for row in rows:
        try:
            sample = suite.to_sample(row)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SuiteError(
                f"suite {suite.name}: {row.get('origin')}: to_sample fails with {type(error).__name__}: {error}.",
                f"The row has: {', '.join(row)}.",
            ) from error
        if sample.id in seen:
            raise SuiteError(
                f"suite {suite.name}: id {sample.id!r} occurs twice, at {seen[sample.id]} and {row.get('origin')}.",
                "Samples are paired across subjects by id; make it unique.",
            )
        if suite.system_prompt and sample.messages and sample.messages[0]["role"] == "system":
            raise SuiteError(
                f"suite {suite.name}: {row.get('origin')}: sample {sample.id} begins with a system turn, and the suite "
                "has a system_prompt.",
                "Keep one of them.",
            )
        seen[sample.id] = row.get("origin")
        samples.append(sample)
    return samples
