"""The small scale's own files, where `--data-root DIR` shows them: counts and floors worked out elsewhere."""

from dataclasses import replace

import pytest

from harness.data.reading.rows import Access, load
from harness.evaluation.asking.samples import samples_of
from harness.project.declared import load_recipes, load_suites
from tests.projects import ROOT


@pytest.fixture(scope="module")
def access(request):
    folder = request.config.getoption("--data-root")
    if folder is None:
        pytest.skip("needs real data: --data-root DIR (docs/experiments.md, 'The folder of --data-root')")
    from pathlib import Path

    return Access("small", Path(folder))


@pytest.fixture(scope="module")
def suites():
    return load_suites(ROOT)


def test_openbookqa_floors_are_the_known_ones(access, suites):
    suite = suites["openbookqa"]
    samples = samples_of(suite, load(suite.dataset, access, raw=True).rows)
    floors = suite.floors(samples)["acc_norm"]
    assert len(samples) == 500
    assert floors["chance"] == 0.25
    assert floors["longest_answer"] == pytest.approx(0.362, abs=0.01)  # ties shared
    assert floors["first_answer"] == pytest.approx(0.276)


def test_facts_without_a_statement_are_left_out_and_listed(access):
    from recipes.datasets import WIKIDATA

    loaded = load(WIKIDATA, access)
    nulls = [line for line in loaded.left_out if '"statement" is null' in line]
    assert len(nulls) == 400
    assert all(line.startswith("trex_facts.jsonl:") for line in nulls)
    assert len(loaded.rows) + len(loaded.left_out) == 7_988


def test_every_small_recipe_reads_its_rows_and_keeps_some_out(access):
    subjects = [s for recipe in load_recipes(ROOT).values() for s in recipe if s.scale == "small" and s.stages]
    assert {s.recipe.name for s in subjects} >= {
        "staged_260207",
        "wiki_only",
        "with_kilt",
        "stats_qlora",
        "wiki_chunks",
    }
    for subject in subjects:
        for stage in [stage for stage in subject.stages if stage.held_out is not None]:
            rows = {row["origin"] for row in load(stage.data, access).rows}
            kept = {row["origin"] for row in load(stage.held_out, access).rows}
            assert rows
            assert kept
            assert not rows & kept


def test_pretraining_is_half_and_half_by_characters(access):
    stage = load_recipes(ROOT)["staged_260207"]["small"].stages[0]
    sizes = {}
    for row in load(stage.data, access).rows:
        sizes[row["source"]] = sizes.get(row["source"], 0) + len(row["text"])
    assert len(sizes) == 2
    share = sizes["stories"] / sum(sizes.values())
    assert share == pytest.approx(0.5, abs=0.01)


def test_a_scale_without_its_file_is_an_error_and_not_another_scale(access, tmp_path):
    from harness.errors import DataError
    from recipes.datasets import KILT

    with pytest.raises(DataError, match=r"dataset kilt_wow: .*wow_kilt_style.jsonl does not exist"):
        load(KILT, replace(access, data_root=tmp_path))
