"""What a result was computed with: recorded beside it, never part of a fingerprint."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
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
