"""Crawled pages and passages -> training chunks: cut, without duplicates, shuffled, split; in bounded memory.

DuckDB reads, checks, cuts and hashes every text; `shuffle` sorts those that are kept. The MD5 of seed and text decides
where a chunk stands in the order, whether it is among the first `max_chunks`, and on which side it is. The order of the
input does not matter, and a text that is crawled again lands on the same side again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.tools.crawled import MAX_ROW_BYTES, file_format, first_problem, input_files
from harness.data.tools.cutting import cut
from harness.errors import DataError
from harness.files import Json, moved_into

if TYPE_CHECKING:
    import duckdb

    from harness.data.tools.shuffle import Shuffle

MEMORY = "512MB"  # for DuckDB; the whole process then stays below 1 GB
THREADS = 2  # each may hold a few copies of a row of MAX_ROW_BYTES
KEPT, TOO_SHORT, BAD, EMPTY = range(4)  # what becomes of a text, the query's `what`; EMPTY: a page without chunks


@dataclass(frozen=True)
class Settings:
    """Which chunks are wanted. Lengths are in characters."""

    min_chars: int = 200
    max_chars: int = 1600
    max_chunks: int = 50_000  # at most, on both sides together
    eval_ratio: float = 0.02  # expected share of the chunks in eval.jsonl
    seed: int = 0

    def __post_init__(self) -> None:
        if self.min_chars < 1:
            raise DataError(f"--min-chars {self.min_chars}: a chunk has at least one character.", "Give 1 or more.")
        if self.max_chars < self.min_chars:
            raise DataError(
                f"--max-chars {self.max_chars} is below --min-chars {self.min_chars}.",
                "Give a maximum of at least twice the minimum, so that long texts can be cut anywhere.",
            )
        if self.max_chunks < 1:
            raise DataError(f"--max-chunks {self.max_chunks}: nothing would be written.", "Give 1 or more.")
        if not 0 < self.eval_ratio < 1:
            raise DataError(f"--eval-ratio {self.eval_ratio} is not between 0 and 1.", "Give a share such as 0.02.")


def make_chunks(given: Path, folder: Path, settings: Settings) -> Json:
    """Write train.jsonl, eval.jsonl and chunks.json into `folder`; the content of chunks.json.

    Raises DataError at the first bad line, or if no text is long enough; `folder` is then left as it was.
    """
    import duckdb

    from harness.data.tools.shuffle import Shuffle

    files = input_files(given)
    if any(path.resolve().parent == folder.resolve() for path in files):
        raise DataError(f"{folder} holds the input too, and would be read with it.", "Name another --output-dir.")
    counts: Counter[str] = Counter()
    with moved_into(folder) as work:
        scratch = work / "scratch"
        scratch.mkdir()
        shuffle = Shuffle(scratch, settings.max_chunks, sum(path.stat().st_size for path in files))
        with duckdb.connect() as db:
            db.execute(f"SET memory_limit = '{MEMORY}'; SET threads = {min(THREADS, os.cpu_count() or 1)}")
            db.execute(f"SET preserve_insertion_order = false; SET temp_directory = {_quoted(scratch)}")
            db.execute("SET enable_caching_operators = false")  # which would gather rows of megabytes by the thousand
            db.create_function("cut", partial(_cut, settings), ["VARCHAR"], "VARCHAR[]")
            for path in files:
                _read(db, path, settings, shuffle, counts)
        if not counts["texts"] - counts["too_short"]:
            raise DataError(
                f"{given.name}: nothing is left of {counts['rows']:,} rows: {counts['too_short']:,} texts are shorter "
                f"than {settings.min_chars} characters, {counts['empty_pages']:,} pages have no chunks.",
                "Lower --min-chars.",
            )
        outputs, distinct = _write(shuffle, work), shuffle.distinct()
        counts["duplicates"] = counts["texts"] - counts["too_short"] - distinct
        counts["beyond_max_chunks"] = distinct - sum(side["rows"] for side in outputs.values())
        made = {
            "input": [{"file": path.name, "bytes": path.stat().st_size} for path in files],
            "settings": asdict(settings),
            "counts": dict(counts),
            "outputs": outputs,
        }
        (work / "chunks.json").write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return made


def _cut(settings: Settings, given: str) -> list[str]:
    """The pieces of a text that is given as JSON. What is not a string is kept whole: the query counts it as bad."""
    text = json.loads(given)
    return cut(text, settings.min_chars, settings.max_chars) if isinstance(text, str) else [given]


def _read(
    db: duckdb.DuckDBPyConnection, path: Path, settings: Settings, shuffle: Shuffle, counts: Counter[str]
) -> None:
    """Add every text of a file to the shuffle, or to the counts of what is left out.

    Raises DataError if a row is bad: DuckDB only says that one is, so the file is then read again to find the first.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa

    held_out_below = np.uint64(settings.eval_ratio * 2**64)  # `side` is evenly spread over 64 bits
    batch_rows = max(2048, min(20_000, 2**25 // settings.max_chars))  # about 2**25 characters; 2,048 rows at least
    query = _query(path, file_format(path), settings)
    try:
        for batch in db.sql(query).to_arrow_reader(batch_rows):
            key, side, line, what, is_first, is_cut = (batch.column(i) for i in range(6))
            outcomes = np.bincount(what.to_numpy(), minlength=4)
            if outcomes[BAD]:
                break
            counts["rows"] += int(np.count_nonzero(is_first.to_numpy(zero_copy_only=False)))
            counts["rows_cut"] += int(np.count_nonzero(is_cut.to_numpy(zero_copy_only=False)))
            counts["empty_pages"] += int(outcomes[EMPTY])
            counts["texts"] += int(outcomes[KEPT] + outcomes[TOO_SHORT])
            counts["too_short"] += int(outcomes[TOO_SHORT])
            kept = pa.array(what.to_numpy() == KEPT)
            shuffle.add(
                key.filter(kept).to_numpy(),
                side.filter(kept).to_numpy() < held_out_below,
                line.filter(kept).cast(pa.large_binary()),
            )
        else:
            return  # every batch was read
        problem = "a row cannot be read"
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # once rows flow, Arrow passes on DuckDB's
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk is full, for instance: no fault of a row
        problem = str(error).splitlines()[0][:300]
    raise first_problem(path) or DataError(f"{path.name}: {problem}.", "Fix or remove that row.")


def _write(shuffle: Shuffle, work: Path) -> dict[str, Json]:
    """Write train.jsonl and eval.jsonl in the shuffle's order; for each file, its `rows`, `bytes` and `sha256`."""
    from harness.data.tools.shuffle import content, where

    rows, digests = Counter[str](), {name: hashlib.sha256() for name in ("train.jsonl", "eval.jsonl")}
    with (work / "train.jsonl").open("wb") as train, (work / "eval.jsonl").open("wb") as held_out_file:
        for held_out, lines in shuffle.in_order():
            for file, name, side in ((train, "train.jsonl", ~held_out), (held_out_file, "eval.jsonl", held_out)):
                written = content(where(lines, side))
                file.write(written)
                digests[name].update(written)
                rows[name] += int(side.sum())
    return {
        name: {"rows": rows[name], "bytes": (work / name).stat().st_size, "sha256": digest.hexdigest()}
        for name, digest in digests.items()
    }


# ---- the query ----------------------------------------------------------------------------------------

# Unicode's whitespace without the plain space. In DuckDB's regular expressions (RE2), \s is ASCII only.
SPACE = r"\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
FIELDS = ("text", "body_text", "chunks", "source_url", "url", "chunk_id", "section_path", "title")
# How each format gives its texts, as a column `given`; `is_foreign` marks rows of another format. Fields are read as
# JSON, so that a number is not mistaken for a string. A JSON null arrives as NULL; below the top level, by `nullif`.
SOURCE = {
    "text": "SELECT *, text AS given, body_text IS NOT NULL OR chunks IS NOT NULL AS is_foreign FROM read",
    "body_text": "SELECT *, body_text AS given, chunks IS NOT NULL AS is_foreign FROM read",
    "chunks": """
        SELECT
            nullif(chunk -> 'text', 'null') AS given, is_foreign, number, is_empty,
            coalesce(nullif(chunk -> 'source_url', 'null'), nullif(chunk -> 'url', 'null'), source_url, url) AS source_url,
            coalesce(nullif(chunk -> 'chunk_id', 'null'), chunk_id) AS chunk_id,
            coalesce(nullif(chunk -> 'section_path', 'null'), section_path) AS section_path,
            coalesce(nullif(chunk -> 'title', 'null'), title) AS title,
            url
        FROM (
            SELECT
                * EXCLUDE (chunks, number, is_empty),
                chunks IS NULL AS is_foreign, coalesce(len(chunks) = 0, false) AS is_empty,
                unnest(if(len(chunks) > 0, chunks, [NULL])) AS chunk,
                generate_subscripts(if(len(chunks) > 0, chunks, [NULL]), 1) AS number
            FROM read
        )""",
}
# Its steps: read (rows of the file), source (a row for each text), decoded (the text out of its JSON; is it bad?),
# cuts (long texts as lists of pieces), pieces (a row for each piece), collapsed, normalised (`plain`: single spaces),
# keyed (the MD5 of seed and plain text; `what` becomes of it: KEPT, TOO_SHORT, BAD or EMPTY).
#
# Memory decides two things. A long text is not carried along beside its pieces, and a text that may have ten megabytes
# (`is_vast`) is decoded by `cut` alone: DuckDB would need hundreds of megabytes for it.
QUERY = """
WITH read AS (
    SELECT *, 1 AS number, false AS is_empty
    FROM read_ndjson({path}, columns = {columns}, maximum_object_size = {max_row_bytes})
),
source AS ({source}),
decoded AS (
    SELECT
        given, number, strlen(given::VARCHAR) > {surely_long} AS is_vast, if(is_vast, NULL, given ->> '$') AS whole,
        is_empty,
        coalesce(source_url, url) AS source_url, chunk_id, section_path, title,
        is_foreign OR NOT is_empty AND coalesce(left(given::VARCHAR, 1) <> '"', true)
        OR left(source_url::VARCHAR, 1) <> '"' OR left(url::VARCHAR, 1) <> '"' OR left(title::VARCHAR, 1) <> '"'
        OR left(section_path::VARCHAR, 1) NOT IN ('"', '[')
        OR left(chunk_id::VARCHAR, 1) NOT IN ('"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9') AS is_bad
    FROM source
),
cuts AS (
    SELECT
        * EXCLUDE (given, whole),
        is_vast OR length(whole) > {max_chars} AS is_long, if(is_long, NULL, given) AS given,
        if(is_long, cut(given::VARCHAR), [whole]) AS listed
    FROM decoded
),
pieces AS (
    SELECT * EXCLUDE (listed), unnest(listed) AS text, generate_subscripts(listed, 1) AS piece FROM cuts
),
collapsed AS (
    SELECT
        *,
        if(
            contains(text, '  ') OR contains(text, chr(9)) OR contains(text, chr(10)) OR contains(text, chr(11))
            OR contains(text, chr(12)) OR contains(text, chr(13))
            OR strlen(text) <> length(text) AND regexp_matches(text, '[{space}]'),
            regexp_replace(text, ' [ {space}]+|[{space}][ {space}]*', ' ', 'g'),  -- never single blanks: they are many
            text
        ) AS one_spaced
    FROM pieces
),
normalised AS (
    SELECT *, if(starts_with(one_spaced, ' ') OR ends_with(one_spaced, ' '), trim(one_spaced), one_spaced) AS plain
    FROM collapsed
),
keyed AS (
    SELECT
        *, md5_number('{seed}:' || plain) AS digest,
        CASE WHEN is_bad OR contains(text, chr(0)) THEN 2 WHEN is_empty THEN 3 WHEN length(plain) < {min_chars} THEN 1 ELSE 0 END AS what
    FROM normalised
)
SELECT
    coalesce((digest >> 64)::UBIGINT, 0) AS key,
    coalesce((digest & 18446744073709551615)::UBIGINT, 0) AS side,
    if(what = 0, concat(
        '{{"text":', if(is_long, to_json(text)::VARCHAR, given),
        ',"source_url":' || source_url,
        ',"chunk_id":' || if(is_long, to_json((coalesce(chunk_id, source_url) ->> '$') || '#' || piece)::VARCHAR, chunk_id),
        ',"section_path":' || section_path,
        ',"title":' || title,
        '}}', chr(10)
    ), NULL) AS line,
    what::UTINYINT, number = 1 AND piece = 1 AS is_first, is_long AND piece = 1 AS is_cut
FROM keyed
"""


def _query(path: Path, kind: str, settings: Settings) -> str:
    """The query on one file. For each text or piece of one it gives a row of six columns.

    `key` and `side`, the upper and lower half of its MD5; `line`, what to write (or NULL); `what`, what becomes of it;
    `is_first`, whether it comes first in its row of the file; `is_cut`, whether it is the first piece of a cut text.
    """
    types = dict.fromkeys(FIELDS, "JSON") | ({"chunks": "JSON[]"} if kind == "chunks" else {})
    columns = ", ".join(f"{name}: '{type_}'" for name, type_ in types.items())
    return QUERY.format(
        path=_quoted(path),
        columns=f"{{{columns}}}",
        max_row_bytes=MAX_ROW_BYTES,
        source=SOURCE[kind],
        space=SPACE,
        min_chars=settings.min_chars,
        max_chars=settings.max_chars,
        surely_long=12 * settings.max_chars + 2,  # bytes of JSON: two quotes, and at most 12 a character (\uXXXX\uXXXX)
        seed=settings.seed,
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
