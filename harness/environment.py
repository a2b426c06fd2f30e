"""What a result was computed with: recorded beside it, never part of a fingerprint."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "lm_eval", "bitsandbytes", "tokenizers")


def environment(threads: int | None = None) -> dict[str, Any]:
    """Versions of the libraries that touch numbers, python, processor and threads; imports none of them."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    if threads is not None:
        found["threads"] = threads
    return found


def commit_of(root: Path) -> str | None:
    """The project's git commit, '+' appended where files differ from it."""
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10
        )
        changed = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (found.stdout.strip() + ("+" if changed.stdout.strip() else "")) if found.returncode == 0 else None
