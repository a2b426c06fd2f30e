"""The libraries of the extra `build`, which not every installation has."""

from __future__ import annotations

from importlib.util import find_spec

from harness.errors import HarnessError


def check_extra(library: str, purpose: str, instead: str = "") -> None:
    """Raise HarnessError where a library is not installed, with its purpose and what else can be done."""
    if find_spec(library) is None:
        raise HarnessError(
            f"to {purpose}, {library} must be installed.",
            f"Install the harness with its extra `build`: pip install 'PATH[build]', PATH being its folder or wheel{instead}.",
        )
