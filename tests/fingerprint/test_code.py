"""Code as a digest: what of it counts, which folders each result depends on, and that no worker runs code beside them."""

import importlib
import re
from functools import partial
from pathlib import Path

import pytest

from harness.environment import PACKAGE
from harness.files import FileDigests
from harness.fingerprint.code import (
    ANSWERS,
    EVIDENCE,
    ITEMS,
    ROWS,
    SCORES,
    WEIGHTS,
    CodeDigests,
    code_digest,
    function_digest,
    tree_digest,
)
from tests.structure import imported

BARE = "def f(x):\n    return x + 1\n"
TOLD = '"""Module."""\n# why\ndef f(x):\n    """What."""\n\n    return (x +\n        1)  # because\n'


def test_comments_docstrings_and_layout_are_no_code():
    assert tree_digest(BARE) == tree_digest(TOLD)
    assert tree_digest(BARE) != tree_digest(BARE.replace("1", "2"))


def test_docstrings_of_classes_and_coroutines_are_no_code_but_other_texts_are():
    bare, told = 'class A:\n    x = "a"\n', 'class A:\n    """What."""\n    x = "a"\n'
    assert tree_digest(bare) == tree_digest(told)
    assert tree_digest("async def f():\n    pass\n") == tree_digest('async def f():\n    """What."""\n')
    assert tree_digest(bare) != tree_digest('class A:\n    x = "b"\n')


def test_a_file_is_digested_as_its_code(tmp_path):
    (tmp_path / "told.py").write_text(TOLD)
    assert code_digest(tmp_path / "told.py") == tree_digest(BARE)


# ---- functions of a project ---------------------------------------------------------------------------

FACTOR, PATTERN, WORDS = 2, re.compile("a+"), Path(__file__)


def scorer(value):
    return _inner(value)


def _inner(value):
    return value * FACTOR if PATTERN.match("a") and WORDS else 0


def made_with(factor):
    def inner(value):
        return value * factor

    return inner


def with_default(value, factor=2):
    return value * factor


def with_other_default(value, factor=3):
    return value * factor


def fresh_digest(function=scorer):
    function_digest.cache_clear()
    return function_digest(function)


def test_a_file_gives_one_digest_under_whatever_name_it_was_imported(tmp_path, monkeypatch):
    text = "from tones import LIMIT, shorter\n\n\ndef score(x):\n    return shorter(x, LIMIT, lambda y: y + LIMIT)\n"
    (tmp_path / "tones.py").write_text("LIMIT = 3\n\n\ndef shorter(x, y, z):\n    return x[:y]\n")
    (tmp_path / "own_suites").mkdir()
    for place in ("test_tone.py", "own_suites/test_tone.py"):
        (tmp_path / place).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    scores = [importlib.import_module(name).score for name in ("test_tone", "own_suites.test_tone")]
    assert scores[0].__module__ != scores[1].__module__
    assert fresh_digest(scores[0]) == fresh_digest(scores[1])
    monkeypatch.setattr("own_suites.test_tone.LIMIT", 4)
    assert fresh_digest(scores[0]) != fresh_digest(scores[1])


def test_a_function_is_digested_with_all_it_reaches(monkeypatch):
    before = fresh_digest()
    assert fresh_digest() == before
    monkeypatch.setitem(globals(), "FACTOR", 3)
    with_factor = fresh_digest()
    monkeypatch.setitem(globals(), "PATTERN", re.compile("b+"))
    assert len({before, with_factor, fresh_digest()}) == 3


def test_a_file_that_a_function_names_counts_by_its_bytes(monkeypatch, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("one")
    monkeypatch.setitem(globals(), "WORDS", words)
    before = fresh_digest()
    words.write_text("two")
    assert fresh_digest() != before


def test_what_a_function_closes_over_and_its_defaults_count():
    assert len({fresh_digest(made_with(factor)) for factor in (2, 3, 3)}) == 2
    source = "def with_default(value, factor={}):\n    return value * factor\n"
    assert tree_digest(source.format(2)) != tree_digest(source.format(3))
    assert fresh_digest(with_default) != fresh_digest(with_other_default)


def test_what_a_partial_function_is_given_counts():
    two, three = partial(with_default, factor=2), partial(with_default, factor=3)
    assert fresh_digest(two) == fresh_digest(partial(with_default, factor=2))
    assert (
        len(
            {fresh_digest(one) for one in (two, three, partial(with_default, 2), partial(with_other_default, factor=2))}
        )
        == 4
    )


def test_code_without_a_source_counts_by_what_it_does():
    def made(text):
        names = {}
        exec(f"def f(x):\n    return {text}\n", names)
        return names["f"]

    assert fresh_digest(made("x + 1")) == fresh_digest(made("x + 1"))
    assert (
        len({fresh_digest(made(text)) for text in ("x + 1", "x + 2", "x - 1", "len(x)", "(lambda y: y + x)(1)")}) == 5
    )


PLUS, MINUS = (lambda x: x + 1), (lambda x: x - 1)


def with_lambdas(x):
    return PLUS(x), MINUS(x)


def test_lambdas_count_by_what_they_do_however_many_are_on_a_line(monkeypatch):
    assert fresh_digest(PLUS) != fresh_digest(MINUS)
    before = fresh_digest(with_lambdas)
    monkeypatch.setitem(globals(), "MINUS", lambda x: x - 2)
    with_minus = fresh_digest(with_lambdas)
    monkeypatch.setitem(globals(), "PLUS", lambda x: x + 2)
    assert len({before, with_minus, fresh_digest(with_lambdas)}) == 3


class Scorers:
    factor = 2

    def double(self, value):
        return value * FACTOR


def test_a_method_counts_with_what_it_reaches(monkeypatch):
    before = fresh_digest(Scorers().double)
    monkeypatch.setitem(globals(), "FACTOR", 5)
    assert fresh_digest(Scorers().double) != before


# ---- folders of the harness ---------------------------------------------------------------------------

FOLDERS = sorted({*sum(WEIGHTS.values(), ()), *ANSWERS, *ITEMS, *SCORES, *EVIDENCE, *ROWS})


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_code_and_every_template_below_a_folder_counts(folder):
    files = FileDigests(None)
    before = CodeDigests(files).of(folder)
    assert re.fullmatch("[0-9a-f]{16}", before)
    below = [path for path in (PACKAGE / folder).rglob("*") if path.suffix in (".py", ".jinja")]
    assert below
    read = {Path(key.partition(":")[2]) for key in files.known}
    assert read == set(below)
    for key, (size, changed, _) in list(files.known.items()):
        altered = FileDigests(None)
        altered.known = {**files.known, key: [size, changed, "other"]}
        assert CodeDigests(altered).of(folder) != before, key


def test_the_digest_of_several_folders_is_that_of_all_their_files():
    digests = CodeDigests(FileDigests(None))
    assert digests.of("data/reading", "models/loading") == digests.of("models/loading", "data/reading")
    assert digests.of("data/reading", "models/loading") != digests.of("data/reading")


# What the listed folders may use without being stale: plain values and their text, files, and what only watches.
OUTSIDE = (
    "models/tools", "training/watching", "worker", "data/sources.py", "errors.py", "files.py", "environment.py",
    "suite.py", "recipe", "claims.py", "fingerprint",
)  # fmt: skip
STORED = ("store", "evaluation")  # results as they were written down


def module(name):
    """The file of the harness that a dotted name lies in."""
    parts = name.split(".")[1:]
    while parts:
        path = PACKAGE.joinpath(*parts)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
        parts.pop()
    return PACKAGE / "__init__.py"


def lies_in(path, places):
    name = path.relative_to(PACKAGE).as_posix()
    return any(name == place or name.startswith(f"{place}/") for place in places)


def reached_from(starts, outside):
    """All modules of the harness that these import, by whatever way, but for what lies outside."""
    found, waiting = set(), list(starts)
    while waiting:
        for name in imported(waiting.pop()):
            path = module(name) if name.startswith("harness.") else None
            if path is not None and path not in found and not lies_in(path, outside):
                found.add(path)
                waiting.append(path)
    return found


@pytest.mark.parametrize(
    ("start", "folders", "one_of_them"),
    [
        ("models/__main__.py", ANSWERS, "models/prefixes/trie.py"),
        ("training/pretraining/pretrain.py", WEIGHTS["pretrain"], "training/shared/packing.py"),
        ("training/pretraining/pretrain.py", WEIGHTS["fresh"], "training/pretraining/fresh.py"),
        ("training/finetuning/finetune.py", WEIGHTS["finetune"], "training/shared/templates/__init__.py"),
        ("training/importing/gguf.py", WEIGHTS["import"], "training/shared/prepared.py"),
        (
            "training/__main__.py",
            WEIGHTS["pretrain"] + WEIGHTS["finetune"] + WEIGHTS["import"],
            "models/loading/load.py",
        ),
    ],
)
def test_all_code_of_a_worker_that_can_change_its_results_is_hashed(start, folders, one_of_them):
    """A module that a worker imports and no key covers would leave stale results in the store."""
    found = reached_from([PACKAGE / start], OUTSIDE)
    assert PACKAGE / one_of_them in found, "the imports are followed"
    assert [path for path in sorted(found) if not lies_in(path, folders)] == []


@pytest.mark.parametrize(
    ("room", "folders", "outside"),
    [
        ("data/reading", ROWS, OUTSIDE),
        ("data/overlap", ANSWERS + ITEMS, OUTSIDE),
        ("evaluation/asking", ANSWERS + ITEMS, (*OUTSIDE, "store")),
        (
            "evaluation/scored",
            SCORES,
            (*OUTSIDE, *(f"evaluation/{name}" for name in ("evaluation.py", "asking")), "store"),
        ),
        ("gates/evidence", EVIDENCE, (*OUTSIDE, *STORED)),
    ],
)
def test_all_code_of_the_session_that_can_change_a_result_is_hashed(room, folders, outside):
    found = reached_from(sorted((PACKAGE / room).rglob("*.py")), outside)
    assert [path for path in sorted(found) if not lies_in(path, folders)] == []
