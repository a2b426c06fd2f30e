"""The house keeps its shape: what of its structure a program can measure, with the limits in one table.

`python -m tests.test_house` prints the table.
"""

import re

import pytest

from tests.structure import LIBRARY, ROOT, arrows, entries, functions, level, lines_of, public_methods, rooms

WORD_LISTS = ("harness/data/mini/write_corpora.py", "harness/scoring/tone.py")  # written corpora, closed word lists
LIMITS = {  # what -> at most
    "entries in harness/": 26,
    "import levels": 12,
    "arrows between rooms": 156,
    "function length, 90th percentile": 22,
    "function length, longest": 45,
    "lines of the longest file": 400,
    "public methods of the largest class": 15,
    "dict[str, Any] per 1,000 lines": 3,
    "parameters of a function": 6,
}


def measured() -> dict[str, float]:
    """What -> how much of it there is now."""
    texts = [path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py")]
    lengths = sorted(one.lines for one in functions() if not one.is_command)
    files = {name: count for name, count in lines_of("harness").items() if name not in WORD_LISTS}
    untyped = sum(len(re.findall(r"(?:dict|Mapping)\[str, Any\]", text)) for text in texts)
    return {
        "entries in harness/": len(entries()),
        "import levels": max(level(room) for room in rooms()),
        "arrows between rooms": sum(map(len, arrows().values())),
        "function length, 90th percentile": lengths[int(len(lengths) * 0.9)],
        "function length, longest": lengths[-1],
        "lines of the longest file": max(files.values()),
        "public methods of the largest class": max(public_methods().values()),
        "dict[str, Any] per 1,000 lines": 1000 * untyped / sum(len(text.splitlines()) for text in texts),
        "parameters of a function": max(one.parameters for one in functions() if not one.is_command),
    }


@pytest.mark.parametrize("what", LIMITS)
def test_the_house_keeps_within(what):
    assert measured()[what] <= LIMITS[what]


def test_every_room_has_tests_of_its_name():
    names = [path.stem for path in entries() if path.stem not in ("__init__", "__main__")]
    without = [n for n in names if not (ROOT / "tests" / n).is_dir() and not (ROOT / "tests" / f"test_{n}.py").exists()]
    assert without == []


def test_every_module_has_a_docstring():
    for path in sorted(LIBRARY.rglob("*.py")):
        assert path.read_text(encoding="utf-8").startswith('"""'), path


if __name__ == "__main__":
    for name, value in measured().items():
        print(f"{name:40} {value:>8.4g}   at most {LIMITS[name]}")
