"""Declared rows -> what decides them: bytes of files or the revision of a hub dataset, and how they are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.data.reading import hub
from harness.data.reading.opened import form_of
from harness.data.reading.rows import Access, as_given, source_file
from harness.data.sources import Dataset, Files, Hub, Mix, Rows, Scale, Source
from harness.errors import DataError
from harness.files import FileDigests, Json
from harness.fingerprint.values import fields_of, plain

NAMES = ("is", "name", "path", "id", "config", "split", "file")  # of a source: where its bytes are, which are hashed


class DataKeys:
    """What decides the rows of datasets; each looked up once.

    With `pin`, a hub revision that was never recorded is resolved and recorded first. Without, it counts as None and the
    hub is not asked. With `without_data`, a missing file counts as None too: such keys are for planning, and no artifact
    has them.
    """

    def __init__(self, access: Access, files: FileDigests, pin: bool, without_data: bool) -> None:
        self.access, self.files, self.without_data = access, files, without_data
        self.revision = hub.resolve if pin else hub.revision
        self._known: dict[tuple[int, str], tuple[object, list[Json]]] = {}  # holds what its key is the id of

    def of(self, wanted: Dataset | Rows | Mix, scale: Scale) -> list[Json]:
        """One entry per part of a dataset or mix at a scale, and one more each where a mix is split, where part of it is
        taken, and for each mix that is added to it.
        """
        if (id(wanted), scale) in self._known:
            return list(self._known[id(wanted), scale][1])
        access = replace(self.access, scale=scale)
        given = as_given(wanted, access)
        found = [self._part(part, access) for part in (given.parts if isinstance(given, Mix) else (given,))]
        if isinstance(given, Mix) and given.divided is not None:
            found.append({"side": given.divided.side, "held_out_rows": given.divided.count[scale]})
        if isinstance(given, Mix) and given.taken is not None and not given.takes_all(scale):
            names = [part.dataset.name for part in given.parts] if given.taken.per_group is not None else []
            found.append(
                {
                    **({"groups_of": names} if len(set(names)) > 1 else {}),
                    "take": {name: count for name, count in fields_of(given.taken).items() if count is not None},
                }
            )
        if isinstance(given, Mix):
            found += [{"added": self.of(other, scale)} for other in given.added]
        self._known[id(wanted), scale] = wanted, found
        return list(found)

    def _part(self, part: Rows, access: Access) -> Json:
        source = part.dataset.source(access.scale)
        found: Json
        try:
            path = source_file(source, access, part.dataset.name)
        except DataError:
            if not self.without_data:
                raise
            return {"bytes": None, "rows": part.count[access.scale]}
        if path is not None:
            found = {"bytes": self.files.of(path), **self._read_as(path, source)}
        else:
            assert isinstance(source, Hub)
            found = {
                "hub": source.id,
                "config": source.config,
                "split": source.split,
                "revision": self.revision("dataset", source.id, access.lock_file),
            }
        reads = {name: value for name, value in plain(source).items() if name not in NAMES and value}
        taken = {"rows": part.count[access.scale], "skip": part.skip.get(access.scale, 0), "share": part.portion}
        return {**found, "reads": reads, **{k: v for k, v in taken.items() if v}}

    def _read_as(self, path: Path, source: Source) -> Json:
        """What the file is read as, where that is not JSON lines: the same bytes may be a table under one name, and text
        under another.
        """
        separated = isinstance(source, Files) and source.separator is not None
        form = "text" if separated else self.files.of(path, "form", form_of)
        return {} if form == "lines" else {"form": form}
