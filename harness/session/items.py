"""The evaluation items of a project's suites, for `harness data check`."""

from __future__ import annotations

from pathlib import Path

from harness.data.reading.rows import Access
from harness.data.tools.checking import Items
from harness.errors import DataError
from harness.evaluation.asking.rows import SuiteRows
from harness.project.declared import load_suites
from harness.session.options import checked_scale
from harness.session.settings import settings_of
from harness.session.setup import LOCK_FILE


def items_of_suites(root: Path, scale: str | None, data_root: Path | None) -> tuple[dict[str, Items], dict[str, str]]:
    """Items by suite, of every suite with rows; and, by suite, why there are none where its data is missing."""
    settings = settings_of(root)
    scale, data_root = checked_scale(scale or settings.scale or "mini"), data_root or settings.data_root
    rows = SuiteRows(Access(scale, data_root, lock_file=root / LOCK_FILE))
    items, absent = {}, {}
    for name, suite in load_suites(root).items():
        if suite.dataset is None:
            continue
        try:
            samples = rows.samples(suite)
        except (DataError, ImportError) as error:
            absent[name] = error.problem if isinstance(error, DataError) else str(error)
            continue
        texts = {sample.id: f"{sample.prompt} {sample.answer}" for sample in samples}
        items[name] = Items(texts, {sample.id: sample.whole for sample in samples})
    return items, absent
