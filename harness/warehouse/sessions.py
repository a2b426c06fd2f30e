"""What sessions used and judged, kept in the store as JSON: the warehouse takes it from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_session(
    root: Path,
    run: Mapping[str, Any],
    subjects: list[dict[str, Any]],
    gates: list[dict[str, Any]],
    measured: list[dict[str, Any]],
) -> None:
    """Keep a session's own rows in the store, from which the warehouse takes them."""
    folder = root / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{run['run_id']}.tmp"
    temporary.write_text(json.dumps({"run": run, "subjects": subjects, "gates": gates, "measured": measured}))
    temporary.replace(folder / f"{run['run_id']}.json")


def read_sessions(root: Path) -> list[dict[str, Any]]:
    """All sessions kept in the store, oldest first."""
    return [json.loads(path.read_text()) for path in sorted((root / "sessions").glob("*.json"))]
