"""A session in which passages are found by vectors: a model in a folder, asked by a process of its own."""

import json

import duckdb
import pytest

from tests.projects import run_session, write_project

pytest.importorskip("trl")
pytest.importorskip("sentence_transformers")

from tests.session.test_looking_up import RECIPES, SUITE
from tests.vectors import counting

RECIPE = RECIPES.replace("Retrieve(data=FACTS,", 'Retrieve(data=FACTS, embeddings="vectors",')
SELECTED = ("-k", "found and asked and not gate", "--scale", "mini")


def texts():
    from harness import Dataset, Embedded
    from harness.data.reading.rows import Access, load

    source = Embedded("events_2025", explode="train", prompt="{question}", completion="{answer}")
    rows = load(Dataset(name="facts", mini=source), Access("mini")).rows
    return [turn["content"] for row in rows for turn in row["messages"]]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "recipes" / "rivals.py").write_text(RECIPE.lstrip())
    (root / "suites" / "test_asked.py").write_text(SUITE.lstrip())
    return root


def test_a_model_that_is_none_is_named_before_anything_runs(project):
    (project / "vectors").mkdir()
    status, said = run_session(project, *SELECTED)
    assert status != 0
    assert "embedding model directory" in said
    assert "holds no modules.json" in said
    (project / "vectors").rmdir()


def test_passages_are_found_and_kept_and_the_same_bytes_elsewhere_are_the_same(project):
    counting(project / "vectors", texts())
    status, said = run_session(project, *SELECTED)
    assert status == 0, said
    with duckdb.connect(str(project / ".bench" / "results.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT passages, found FROM samples JOIN evaluations USING (evaluation) WHERE subject = 'found-mini'").fetchall()  # fmt: skip
    assert len(rows) == 20
    assert max(len(json.loads(passages)) for passages, _ in rows) == 2
    assert sum(found for _, found in rows) >= 10
    assert list((project / ".bench" / "measuring").glob("*.embedding")) == []
    (project / "vectors").rename(project / "elsewhere")
    recipe = project / "recipes" / "rivals.py"
    recipe.write_text(recipe.read_text().replace('"vectors"', '"elsewhere"'))
    status, said = run_session(project, *SELECTED)
    assert status == 0, said
    assert "to measure" not in said
