"""Files of rows, written and read by the tests of data."""

import json


def write(path, rows):
    """A file of rows, and its path: text and bytes as they are, a list as JSON lines. Its folder is made."""
    if isinstance(rows, list):
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return path


def read(path):
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
