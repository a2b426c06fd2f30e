"""Environments for readers: flat rows, and which versions differed then."""

import re
from typing import Any

VERSION = re.compile(r"\d+(\.\d+)+\S*")


def flat(environment: dict, path: str = "") -> dict[str, str]:
    """An environment as flat name -> text, however deep it was nested."""
    rows: dict[str, str] = {}
    for name, value in environment.items():
        where = f"{path}.{name}" if path else str(name)
        rows |= flat(value, where) if isinstance(value, dict) else {where: _plain(value)}
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def differing(made_under: dict, run: dict) -> list[str]:
    """Libraries whose minor version was different then: 'torch 2.12.0 then, 2.13.0 now'."""
    then, now = flat(made_under), flat(run)
    return [
        f"{name.split('.')[-1]} {then[name]} then, {now[name]} now"
        for name in sorted(then.keys() & now.keys())
        if VERSION.fullmatch(then[name]) and then[name].split(".")[:2] != now[name].split(".")[:2]
    ]
