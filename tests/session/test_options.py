"""The command line's options as one value: defaults, and the one error for each that cannot be."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.session.options import checked_data_root, checked_scale, read_options
from harness.session.settings import Settings

TYPED = {
    "--gpu": None, "--scale": None, "--track": None, "--data-root": None, "--skip-bad-rows": False, "--no-train": False,
    "--retrain": False, "--reevaluate": False, "--seeds": 1, "--strict-gates": False, "--baseline": None,
    "--adaptive": False, "--model": [], "--tasks": None, "--limit": None, "--endpoint": None, "--exact": False, "--store": None, "--results": None,
    "--executor": None, "--gpus-per-job": None,
}  # fmt: skip

SILENT = Settings(Path("store"), Path("results.duckdb"))


def read(settings=SILENT, **typed):
    given = TYPED | {f"--{name.replace('_', '-')}": value for name, value in typed.items()}
    return read_options(given.__getitem__, settings)


def test_without_options_a_session_trains_at_mini_scale_on_the_cpu():
    options = read()
    assert (options.scale, options.devices, options.train, options.seeds) == ("mini", ("cpu",), True, 1)
    assert (options.data_root, options.models, options.tasks) == (None, (), ())


def test_an_option_goes_before_what_the_project_says_and_that_before_the_default(tmp_path):
    said = replace(SILENT, scale="tiny", data_root=tmp_path)
    options = read(said, gpu="0", no_train=True)
    assert (options.scale, options.data_root) == ("tiny", tmp_path)
    (tmp_path / "other").mkdir()
    options = read(said, scale="small", data_root=tmp_path / "other")
    assert (options.scale, options.data_root) == ("small", tmp_path / "other")


def test_suggested_commands_repeat_what_was_typed():
    assert read().typed == ""
    options = read(gpu="0", no_train=True, exact=True, model=["a b", "c"], limit=5)
    assert options.exact
    assert options.typed == " --gpu 0 --exact --limit 5 --model 'a b' --model c"


def test_a_gpu_means_full_scale_unless_a_scale_is_given():
    assert read(gpu="0", no_train=True).scale == "full"
    assert read(gpu="0", no_train=True, scale="small").scale == "small"
    assert read(gpu="0,1", no_train=True).devices == ("cuda:0", "cuda:1")


def test_a_cluster_has_gpus_of_its_own():
    pytest.importorskip("ray", reason="ray is not installed")
    options = read(gpu="0", executor="ray")
    assert (options.devices, options.executor, options.scale) == (("cuda:0",), "ray", "full")
    assert options.typed == " --gpu 0 --executor ray"


def test_ray_that_is_not_installed_names_what_installs_it(monkeypatch):
    monkeypatch.setattr("harness.session.options.find_spec", lambda name: None)
    with pytest.raises(HarnessError, match=r"(?s)--executor ray: Ray is not installed.*extra `ray`"):
        read(executor="ray")


def test_tasks_are_split_at_commas_and_named_once():
    assert read(tasks="arc_easy, my_task.yaml,,arc_easy").tasks == ("arc_easy", "my_task.yaml")
    assert read(tasks="a:fewshot=5, chat=true,b").tasks == ("a:fewshot=5,chat=true", "b")


def test_tasks_add_to_those_of_the_project():
    assert read(replace(SILENT, tasks=("a", "b")), tasks="b,c").tasks == ("a", "b", "c")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"scale": "huge"}, "--scale huge: there is no such scale"),
        ({"seeds": 0}, "--seeds 0: at least one seed"),
        ({"track": "paper"}, "--track paper: there is no such tracker"),
        ({"data_root": "/no/such/folder"}, "--data-root /no/such/folder: no such folder"),
        ({"gpu": "one"}, "--gpu one"),
        ({"gpus_per_job": 0}, "--gpus-per-job 0: at least one is needed"),
        ({"executor": "slurm"}, "--executor slurm: there is none of that name"),
        ({"executor": "ray://"}, "--executor ray://: there is none of that name"),
        ({"limit": 0}, "--limit 0: at least one sample"),
        ({"limit": 9, "baseline": "main"}, "--limit 9 --baseline main: a baseline holds whole suites"),
        ({"limit": 9, "adaptive": True}, "--limit 9 --adaptive: both say how many samples are asked"),
        ({"tasks": "gsm8k,fewshot=5"}, "--tasks gsm8k,fewshot=5: 'fewshot=5' is no task"),
        ({"tasks": "fewshot=5"}, "--tasks fewshot=5: 'fewshot=5' is no task"),
    ],
)
def test_what_cannot_be_is_one_error_that_names_the_option(typed, message):
    with pytest.raises(HarnessError) as caught:
        read(**typed)
    assert message in caught.value.message


def test_a_tracker_that_is_not_installed_names_what_installs_it():
    with pytest.raises(HarnessError, match="pip install mlflow"):
        read(track="mlflow")


def test_the_data_root_is_made_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert checked_data_root("data") == tmp_path / "data"
    assert checked_data_root(None) is None


def test_the_error_on_a_scale_names_all_of_them():
    with pytest.raises(HarnessError, match="mini, small or full"):
        checked_scale("Mini")
