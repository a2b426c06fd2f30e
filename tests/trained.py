"""One small trained project for the tests of chat, export and serve: trained once in a test session, never measured."""

import json
from pathlib import Path

from harness.worker.places import Adapted, Directory, Place
from tests.projects import run_session, write_project

THERE = '''
"""Asks for the checkpoints alone."""


def test_there(plain):
    assert plain.path.is_dir()
'''


def trained_project(base: Path) -> Path:
    """A project below `base` where `ground` and its adapter `plain` are trained, and `other`, of two variants, is not.

    Its layers have 64 inputs: a processor computes in 4 bits with multiples of that alone.
    """
    root = base / "trained"
    if root.exists():
        return root
    write_project(root)
    recipe = root / "recipes" / "tiny.py"
    text = (
        recipe.read_text()
        .replace("hidden_size=32", "hidden_size=64")
        .replace("intermediate_size=64", "intermediate_size=128")
    )
    second = 'variants=[Variant("second", base=GROUND["mini"], scale="mini"), '
    head, other = text.split("OTHER = ")
    recipe.write_text(head + "OTHER = " + other.replace("variants=[", second))
    (root / "suites" / "test_look.py").write_text(THERE.lstrip())
    status, output = run_session(root)
    assert status == 0, output
    return root


def places(root: Path) -> dict[str, Place]:
    """Where a worker loads `ground`, and `plain` over it."""
    folders = {}
    for manifest in (root / ".bench" / "store" / "checkpoints").glob("*/manifest.json"):
        folders[json.loads(manifest.read_text())["spec"]["stage"]] = str(manifest.parent)
    ground = Directory(folders["pretrain"])
    return {"ground": ground, "plain": Adapted(Directory(folders["finetune"]), ground)}
