"""Hours and cost on GPUs of a kind: the formula worked by hand, the published variants, what is measured before it."""

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app
from harness.errors import HarnessError
from harness.jobs.hours import USES, Terms, costs, gpu_named, measured
from harness.session.options import Options
from harness.session.setup import open_setup
from harness.store import Store
from tests.store.test_artifacts import publish

ROOT = Path(harness.__file__).parents[1]


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return open_setup(ROOT, Store(tmp_path_factory.mktemp("store")), Options("full", train=False))


def of(setup, terms, *recipes):
    subjects = [subject for subject in setup.project.subjects() if subject.recipe.name in recipes]
    return costs(setup.results_without_data, subjects, setup.project.suites.values(), terms)


@pytest.mark.parametrize("name", ["RTX 4090", "rtx4090", "NVIDIA GeForce RTX 4090"])
def test_a_gpu_is_known_however_it_is_spelt(name):
    assert gpu_named(name).peak == 165e12


def test_a_longer_name_is_another_gpu():
    assert (gpu_named("NVIDIA H100 PCIe").peak, gpu_named("NVIDIA H100 80GB HBM3").peak) == (756e12, 989e12)
    assert gpu_named("A100 40GB").memory == 40 * 2**30
    assert gpu_named("NVIDIA L40S").name == "L40S"


def test_an_unknown_gpu_is_refused_with_those_known():
    with pytest.raises(HarnessError, match=r"Voodoo 2.*\n.*RTX 4090"):
        gpu_named("Voodoo 2")


def test_an_adapter_takes_four_operations_a_weight_and_token_and_all_weights_six(setup):
    gpu = gpu_named("H100")
    for recipe, variant, passes, use in (
        ("wiki_only", "3b", 4, "adapter"),
        ("software_defect", "1.1b", 6, "all weights"),
    ):
        row = next(r for r in of(setup, Terms(gpu), recipe).variants if r["id"] == f"{recipe}-{variant}")
        seconds = passes * row["total_parameters"] * row["tokens"] / (gpu.peak * USES[use])
        assert row["hours"] == pytest.approx(seconds / 3600)


def test_what_does_not_fit_is_reckoned_with_activations_computed_twice(setup):
    found = {name: of(setup, Terms(gpu_named(name)), "wiki_only").variants[1] for name in ("RTX 4090", "A100")}
    assert found["RTX 4090"]["id"] == "wiki_only-8b"
    assert (found["RTX 4090"]["fits"], found["A100"]["fits"]) == (False, True)
    speed = gpu_named("A100").peak / gpu_named("RTX 4090").peak
    assert found["RTX 4090"]["hours"] / found["A100"]["hours"] == pytest.approx(speed * 6 / 4)


def test_the_matrix_has_a_makespan_and_a_price(setup):
    one, eight = (of(setup, Terms(gpu_named("RTX 4090"), count, 0.5), "wiki_only", "with_kilt") for count in (1, 8))
    assert one.schedule.makespan == pytest.approx(one.schedule.busy) == pytest.approx(eight.schedule.busy)
    assert eight.schedule.makespan == pytest.approx(eight.schedule.lower_bound)
    assert eight.schedule.makespan < one.schedule.makespan / 2
    assert sum(row["cost"] for row in one.variants) == pytest.approx(0.5 * one.schedule.busy / 3600)
    assert {row["published"] for row in one.variants} == {None, "2 to 3 h on an RTX 4090", "4 to 5 h on an RTX 4090"}


def test_what_is_measured_already_is_not_counted(tmp_path):
    store = Store(tmp_path)
    setup = open_setup(ROOT, store, Options("full", train=False))
    before = of(setup, Terms(gpu_named("H100")), "base").variants[0]
    subject = setup.project.named("base-3b")[0]
    publish(store, setup.results_without_data.planned(setup.project.suites["tone"], subject).key, kind="evaluations")
    after = of(setup, Terms(gpu_named("H100")), "base").variants[0]
    assert (before["id"], after["measuring_hours"] < before["measuring_hours"]) == ("base-3b", True)


def test_what_is_not_known_beforehand_is_named_and_not_counted(setup):
    found = of(setup, Terms(gpu_named("H100")), "staged_260207")
    assert found.unknown == ["staged_260207-full"]
    assert found.schedule.placed == ()
    assert "not counted" in found.lines[-1]


def test_earlier_trainings_on_such_a_gpu_say_how_well_it_is_used(tmp_path):
    store = Store(tmp_path)
    artifact = publish(store)
    path = artifact.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["spec"]["settings"] = {"adapter": {"is": "Lora"}}
    manifest["record"] = {
        "environment": {"gpu": "NVIDIA H100 80GB HBM3"}, "train_seconds": 10.0, "tokens": 1_000_000,
        "total_parameters": 3_000_000_000,
    }  # fmt: skip
    path.write_text(json.dumps(manifest))
    results = dataclasses.make_dataclass("Results", ["store"])(store)
    assert measured(results, gpu_named("H100")) == {"adapter": pytest.approx(4 * 3e9 * 1e6 / 10 / 989e12)}
    assert measured(results, gpu_named("RTX 4090")) == {}


def test_the_command_prints_and_refuses(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)

    def plan(*arguments):
        return CliRunner().invoke(app, ["plan", "wiki_only", "--scale", "full", "--store", str(tmp_path), *arguments])

    said = plan("--gpu-name", "RTX 4090", "--gpus", "8", "--price", "0.5").stdout
    assert "2 to 3 h on an RTX 4090" in said
    assert "on 8 x RTX 4090 it ends after" in said
    row = json.loads(plan("--gpu-name", "H100", "--json").stdout)[0]
    assert {"id", "rows", "tokens", "hours", "cost", "published"} <= row.keys()
    refused = plan("--price", "2")
    assert refused.exit_code != 0
    assert "--gpu-name" in str(refused.exception) + refused.output
