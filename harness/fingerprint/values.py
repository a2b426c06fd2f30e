"""Values -> JSON types, one canonical text, a digest; what differs between two; and values back from JSON.

The smallest step of the road: everything that is hashed, stored or sent to a worker is written this way.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

SCALARS = (str, int, float, bool)
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """One JSON text per value: sorted keys, no spaces; dataclasses by type name and fields."""
    return CANONICAL.encode(plain(value))


def plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as JSON types; TypeError for what has no fixed text.

    A dataclass becomes an object with its type's name under `is`, so that `rebuilt` can make it again.
    """
    if value is None or isinstance(value, SCALARS):  # first, because most values are
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        return {"is": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)
    raise TypeError(f"{type(value).__name__} cannot be fingerprinted")


def fields_of(value: Any) -> dict[str, Any]:
    """A dataclass as `plain` writes it, without the name of its type."""
    return {name: field for name, field in plain(value).items() if name != "is"}


def rebuilt(value: Any, kinds: Mapping[str, type]) -> Any:
    """What `plain` wrote, with each object that names one of the `kinds` under `is` as that dataclass again.

    Lists come back as tuples, as frozen dataclasses hold them. KeyError for a kind that is not among those given.
    """
    if isinstance(value, dict):
        fields = {name: rebuilt(field, kinds) for name, field in value.items() if name != "is"}
        return kinds[value["is"]](**fields) if "is" in value else fields
    if isinstance(value, list):
        return tuple(rebuilt(one, kinds) for one in value)
    return value


def digest(value: Any) -> str:
    """SHA-256 of the canonical text, as 64 hexadecimal characters."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()
