"""Whole pytest sessions on a small real project, as a user runs them."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.projects import environment, run_harness, run_session, start_session, write_project

pytest.importorskip("torch")
pytest.importorskip("trl")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project after its first session, with what that session printed."""
    root = write_project(tmp_path_factory.mktemp("project"))
    status, output = run_session(root, "-k", "plain or other")
    (root / "first.txt").write_text(output)
    assert status in (0, 1), output
    return root


def first_output(project) -> str:
    return (project / "first.txt").read_text()


def sessions(project) -> list[dict]:
    folder = project / ".bench" / "store" / "sessions"
    return [json.loads(path.read_text())["run"] for path in sorted(folder.glob("*.json"))]


def test_first_session_trains_measures_judges_and_reports(project):
    output = first_output(project)
    assert (
        "to train: ground-mini pretrain, plain-mini finetune, other-mini finetune; to measure: 2 checkpoints" in output
    )
    assert "test_gate" in output or "passed" in output
    assert (project / ".bench" / "reports" / "report.html").stat().st_size > 20_000
    assert re.search(r"report: .*report\.html", output)
    assert sessions(project)[0]["trained"] == 3


def test_second_session_trains_nothing_and_imports_no_torch(project):
    before = len(sessions(project))
    _status, output = run_session(project, "-k", "plain or other")
    assert "to train" not in output
    assert len(sessions(project)) == before
    assert (project / "loaded.txt").read_text() == ""
    assert output.count("report.html") == 1
    first = re.search(r"=+ results =+\n(.*?)\nreport:", first_output(project), re.DOTALL)
    again = re.search(r"=+ results =+\n(.*?)\nreport:", output, re.DOTALL)
    assert first
    assert again
    assert first[1] == again[1]


def test_collect_only_starts_nothing(tmp_path):
    root = write_project(tmp_path)
    status, output = run_session(root, "--collect-only", "-q")
    assert status == 0
    assert "suites/test_look.py::test_look[plain-mini]" in output
    assert "suites/test_look.py::test_gate[plain-mini-look-words]" in output
    assert not (root / ".bench" / "store" / "checkpoints").exists()


def test_selecting_one_side_skips_the_comparison_with_the_command_that_adds_it(tmp_path, project):
    root = write_project(tmp_path)
    store = tmp_path / "store"
    subprocess.run(["cp", "-r", str(project / ".bench" / "store"), str(store)], check=True)
    other = next(
        folder for folder in (store / "checkpoints").glob("*")
        if json.loads((folder / "manifest.json").read_text())["spec"].get("settings", {}).get("effective_batch_size") == 8
    )  # fmt: skip
    subprocess.run(["rm", "-r", str(other)], check=True)
    for folder in (store / "evaluations").glob("*"):
        if json.loads((folder / "manifest.json").read_text())["spec"]["checkpoint"] == other.name:
            subprocess.run(["rm", "-r", str(folder)], check=True)
    _status, output = run_session(root, "-k", "plain", "--store", str(store), "-rs")
    assert 'other-mini is not measured by look; add it: pytest suites/ -k "plain or other" --scale mini' in " ".join(
        output.split()
    )
    assert "1 skipped" in output
    assert "to train" not in output


def test_no_train_names_the_field_that_differs(tmp_path, project):
    root = write_project(tmp_path, learning_rate=6e-3)
    status, output = run_session(
        root, "-k", "plain and look", "--no-train", "--store", str(project / ".bench" / "store")
    )
    assert status == 1
    assert "CheckpointMissing: plain-mini has no checkpoint" in output
    assert "differs in settings.learning_rate: 0.005 there, 0.006 here" in output


def test_why_names_the_field_that_differs(tmp_path, project):
    root = write_project(tmp_path, learning_rate=6e-3)
    told = run_harness(root, "why", "plain", "--store", str(project / ".bench" / "store"))
    assert told.returncode == 0, told.stderr
    assert "plain-mini finetune" in told.stdout
    assert "settings.learning_rate: 0.005 there, 0.006 here" in told.stdout
    assert "ground-mini pretrain" in told.stdout
    assert "its checkpoint is there" in told.stdout


def test_compare_gives_paired_differences_as_json(project):
    told = run_harness(project, "compare", "plain", "other", "--json")
    assert told.returncode == 0, told.stderr
    rows = json.loads(told.stdout)
    words = next(row for row in rows if row["metric"] == "words")
    assert (words["suite"], words["candidate"], words["baseline"], words["n"]) == (
        "look",
        "plain-mini",
        "other-mini",
        20,
    )
    assert words["estimate"] == pytest.approx(words["candidate_score"] - words["baseline_score"])
    assert words["low"] <= words["estimate"] <= words["high"]


def test_gate_judges_what_is_stored_without_pytest(project):
    told = run_harness(project, "gate", "plain", "--json")
    verdicts = {row["gate"]: row["verdict"] for row in json.loads(told.stdout)}
    assert set(verdicts) == {"plain-mini-look-words", "plain-mini-look-nonempty"}
    assert told.returncode == (1 if "fail" in verdicts.values() else 0)


def test_an_altered_checkpoint_file_is_named_and_not_retrained(tmp_path, project):
    store = tmp_path / "store"
    subprocess.run(["cp", "-r", str(project / ".bench" / "store"), str(store)], check=True)
    file = next((store / "checkpoints").glob("*/adapter_model.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    status, output = run_session(project, "-k", "plain", "--store", str(store))
    assert status == 4
    assert "StoreError: checkpoint" in output
    assert "adapter_model.safetensors was altered" in output
    told = run_harness(project, "store", "verify", "--store", str(store))
    assert told.returncode == 1
    assert "1 damaged" in told.stdout


def test_results_open_elsewhere_delay_the_ingest_and_lose_nothing(project):
    results = project / "other.duckdb"
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(results)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "open\n"
    _, output = run_session(project, "-k", "other", "--results", str(results))
    assert "Locked:" in output
    assert "is open in another process" in output
    assert "the next session ingests them" in output
    assert "other-mini" in output.split("results ===")[1], "the terminal and the page show them all the same"
    assert "report: " in output
    process.communicate("")
    results.unlink()
    _, output = run_session(project, "-k", "other", "--results", str(results))
    told = run_harness(
        project, "results", "query", "select count(*) as n from samples", "--results", str(results), "--json"
    )
    assert json.loads(told.stdout)[0]["n"] == 40


def test_rebuilt_results_are_the_same(project):
    query = ("results", "query", "select * from metrics order by all", "--json")
    before = run_harness(project, *query)
    (project / ".bench" / "results.duckdb").write_bytes(b"damaged")
    broken = run_harness(project, *query)
    assert broken.returncode == 2
    assert "harness results rebuild" in broken.stderr
    assert run_harness(project, "results", "rebuild").returncode == 0
    assert json.loads(run_harness(project, *query).stdout) == json.loads(before.stdout)


def test_two_sessions_at_once_train_once(tmp_path):
    root = write_project(tmp_path)
    processes = [start_session(root, "-k", "other", "--results", str(tmp_path / f"{i}.duckdb")) for i in range(2)]
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    assert sum(run["trained"] for run in sessions(root)) == 2  # ground and other, once each
    assert any("which was training it" in output for output in outputs)


def test_a_killed_session_is_continued_by_the_next(tmp_path, project):
    root = write_project(tmp_path)
    process = start_session(root, "-k", "plain")
    log_of = lambda: list((root / ".bench" / "store" / "checkpoints").glob("*.partial/log.jsonl"))
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not any(len(log.read_text().splitlines()) >= 7 for log in log_of()):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    status, output = run_session(root, "-k", "plain")
    assert status in (0, 1), output
    made = {
        path.parent.name: path.read_bytes()
        for path in (root / ".bench" / "store" / "checkpoints").glob("*/*.safetensors")
    }
    whole = {
        path.parent.name: path.read_bytes()
        for path in (project / ".bench" / "store" / "checkpoints").glob("*/*.safetensors")
    }
    assert made
    assert all(whole[key] == data for key, data in made.items())


def test_a_worker_killed_by_the_system_fails_its_tests_only(tmp_path):
    root = write_project(tmp_path)
    process = start_session(root, "-k", "other")
    deadline = time.monotonic() + 200
    logs = root / ".bench" / "store" / "checkpoints"
    while time.monotonic() < deadline and not list(logs.glob("*.partial/log.jsonl")):
        time.sleep(0.02)
    found = subprocess.run(["pgrep", "-f", f"harness.training {logs}"], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "the worker was killed (SIGKILL); the system does that when memory runs out" in output


def test_retraining_and_reevaluating_make_only_the_selected_anew(tmp_path, project):
    root = write_project(tmp_path)
    subprocess.run(["cp", "-r", str(project / ".bench"), str(root / ".bench")], check=True)
    before = len(sessions(root))
    status, output = run_session(root, "-k", "other", "--retrain")
    assert status == 0, output
    assert "to train: other-mini finetune; to measure: 1 checkpoints" in output
    status, output = run_session(root, "-k", "other", "--reevaluate")
    assert status == 0, output
    assert "to train: nothing; to measure: 1 checkpoints" in output
    runs = sessions(root)[before:]
    assert [(run["trained"], run["evaluated"]) for run in runs] == [(1, 1), (0, 1)]
    told = run_harness(root, "results", "query", "select count(*) as n from evaluations", "--json")
    assert json.loads(told.stdout)[0]["n"] == 2


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_a_session_that_is_ended_leaves_a_state_that_the_next_one_continues(ended_by, tmp_path):
    """By Ctrl-C, or as schedulers end their jobs."""
    root = write_project(tmp_path)
    recipe = root / "recipes" / "tiny.py"  # long enough that it is still under way when the signal arrives
    recipe.write_text(recipe.read_text().replace("learning_rate=1e-2, epochs=1,", "learning_rate=1e-2, epochs=12,"))
    process = start_session(root, "-k", "plain")
    logs = root / ".bench" / "store" / "checkpoints"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(logs.glob("*.partial/log.jsonl")):
        time.sleep(0.01)
    process.send_signal(ended_by)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert list(logs.glob("*.partial/trainer/checkpoint-*/complete.json"))
    told = run_harness(root, "status", "--json")
    assert [row["state"] for row in json.loads(told.stdout)] == ["interrupted"]
    status, output = run_session(root, "-k", "plain")
    assert status in (0, 1), output
    assert "plain-mini is not measured" not in output


def test_two_recipe_fixtures_are_paired_by_variant(tmp_path, project):
    root = write_project(tmp_path)
    suite = root / "suites" / "test_look.py"
    suite.write_text(
        suite.read_text()
        + "\n\ndef test_pair(plain, other, evaluate):\n"
        + '    assert evaluate(LOOK, plain)["nonempty"] <= 1.0 >= evaluate(LOOK, other)["nonempty"]\n'
    )
    status, output = run_session(root, "-k", "pair", "--store", str(project / ".bench" / "store"), "-v")
    assert status == 0, output
    assert "test_pair[mini] PASSED" in output
    assert "to train" not in output


JUDGED = """
from harness import Claim, Recipe, Variant
from recipes.tiny import GROUND, OTHER, PLAIN

JUDGED = Recipe(name="judged", stages=OTHER.stages, variants=[Variant("mine", base=GROUND["mini"], scale="mini")],
                claims=[Claim("look", "words", higher_than="base")])
"""


def test_a_claim_against_the_base_needs_no_recipe_of_that_name(tmp_path, project):
    root = write_project(tmp_path)
    (root / "recipes" / "judged.py").write_text(JUDGED)
    store = tmp_path / "store"
    subprocess.run(["cp", "-r", str(project / ".bench" / "store"), str(store)], check=True)
    status, output = run_session(root, "-k", "judged and gate", "--store", str(store))
    assert status in (0, 1), output
    assert "to train: nothing; to measure: 1 checkpoints" in output  # `ground` is trained, and measured now
    assert "judged-mine: " in output
    assert "ground-mini" in output
    assert "skipped" not in output


FROM_A_FILE = '''
"""A model file: as it is, with an adapter, and its architecture with fresh weights."""

from harness import Claim, Finetune, Fresh, Lora, Mix, Recipe, Variant
from recipes.datasets import TALK

BASE = Recipe(name="base", variants=[Variant("mini", base="model.gguf", scale="mini")])
UNTRAINED = Recipe(name="untrained", variants=[Variant("mini", base=Fresh("model.gguf"), scale="mini")])
TUNED = Recipe(
    name="tuned",
    stages=[Finetune(data=Mix(TALK.rows(mini=24)), adapter=Lora(rank=4), learning_rate=5e-3, epochs=1,
                     effective_batch_size=8, max_length=128)],
    variants=[Variant("mini", base="model.gguf", scale="mini")],
    claims=[Claim("look", "words", lower_than="base")],
)
'''


def test_a_gguf_file_is_imported_once_and_everything_stands_on_it(tmp_path):
    pytest.importorskip("gguf")
    from harness.training.pretraining.fresh import fresh_model
    from harness.training.pretraining.tokenizer import train_tokenizer
    from tests.gguf_files import write_gguf
    from tests.training_tasks import ARCHITECTURE

    root = write_project(tmp_path)
    tokenizer = train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)
    shape = dataclasses.replace(ARCHITECTURE, context_length=512)
    write_gguf(root / "model.gguf", fresh_model(shape, tokenizer), tokenizer, quantized="Q4_1")
    (root / "recipes" / "tiny.py").write_text(FROM_A_FILE.lstrip())
    status, output = run_session(root)
    assert status in (0, 1), output
    assert "to train: base-mini import, untrained-mini fresh, tuned-mini finetune; to measure: 3 checkpoints" in output
    assert "tuned-mini claims: " in output
    _status, output = run_session(root, "--model", "model.gguf")
    assert "to train" not in output  # the same bytes under another name
    assert "model_gguf-mini" in output


def test_retraining_a_base_takes_away_what_stands_on_it(tmp_path, project):
    root = write_project(tmp_path)
    subprocess.run(["cp", "-r", str(project / ".bench"), str(root / ".bench")], check=True)
    status, output = run_session(root, "-k", "ground", "--retrain")
    assert status == 0, output
    assert "to train: ground-mini pretrain; to measure: 1 checkpoints" in output
    left = [json.loads(path.read_text()) for path in (root / ".bench" / "store").glob("*/*/manifest.json")]
    assert sorted((made["kind"], made["spec"].get("stage")) for made in left) == [
        ("answers", None),
        ("checkpoints", "pretrain"),
        ("evaluations", None),
    ]


# ---- a part of each suite, and a server's model ---------------------------------------------------------


def evaluations(project):
    folder = project / ".bench" / "store" / "evaluations"
    return [json.loads(path.read_text()) for path in folder.glob("*/manifest.json")]


def test_a_limited_session_stands_beside_the_whole_one(project):
    whole = {manifest["key"] for manifest in evaluations(project)}
    status, output = run_session(project, "-k", "(plain or other) and not gate", "--limit", "5")
    assert status == 0, output
    assert "at most 5 samples of a suite (--limit)" in output
    assert "mini scale · at most 5 samples of a suite" in output
    limited = [manifest for manifest in evaluations(project) if manifest["key"] not in whole]
    assert {(one["record"]["samples"], one["record"]["samples_available"]) for one in limited} == {(5, 20)}
    assert {one["spec"]["limit"] for one in limited} == {5}
    failing = project / "suites" / "test_a_failing_one.py"
    failing.write_text("def test_fails(plain):\n    raise AssertionError\n")
    status, output = run_session(project, "-k", "plain or other", "--limit", "5", "-x")
    failing.unlink()
    assert (status, "Interrupted before its end." in output) == (1, True), output
    status, output = run_session(project, "-k", "plain or other", "--limit", "5", "--no-train")
    assert "Interrupted" not in output
    assert "Only 5 samples of a suite were asked (--limit)." in output
    status, output = run_session(project, "-k", "plain or other")
    assert "to measure" not in output
    assert "--limit" not in output
    found = run_harness(project, "results", "query", "SELECT DISTINCT count(*) FROM answers GROUP BY subject", "--json")
    assert json.loads(found.stdout) == [{"count_star()": 20}]


def test_a_servers_model_is_measured_once_and_beside_the_others(project, tmp_path):
    pytest.importorskip("openai")
    from harness.models.answering.engine import Engine
    from tests.served import serving
    from tests.tiny_models import saved_llama

    asked = ["-k", "tiny_talk and not gate", "--model", "openai:org/tiny-talk"]
    with serving(Engine(saved_llama(tmp_path), "cpu", "float32")) as server:
        status, output = run_session(project, *asked, "--endpoint", server.url)
        assert (status, len(server.asked)) == (0, 20), output
        assert "tiny_talk-mini" in output
        status, again = run_session(project, *asked, "--endpoint", server.url)
        assert (status, len(server.asked)) == (0, 20), again
        assert (project / "loaded.txt").read_text() == ""
    [found] = [one for one in evaluations(project) if one["record"]["engine"] == "endpoint"]
    assert (found["record"]["device"], found["record"]["samples"]) == (server.url, 20)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--model", "openai:x"], "--model openai:x: where is its server?"),
        (["--endpoint", "http://localhost:1/v1"], "--endpoint http://localhost:1/v1: no model of it is named."),
        (["--model", "openai:x", "--endpoint", "localhost:8000"], "'localhost:8000' is no address."),
        (["--model", "openai:", "--endpoint", "http://localhost:1/v1"], "no model is named."),
        (["--limit", "3", "--baseline", "main"], "a baseline holds whole suites"),
        (["--tasks", "gsm8k:shots=3"], "a task has no setting 'shots'"),
    ],
)
def test_what_cannot_be_asked_ends_before_anything_runs(project, given, told):
    status, output = run_session(project, *given)
    assert status == 4, output
    assert told in output


def test_with_xdist_a_session_over_suites_stays_one(project):
    pytest.importorskip("xdist")
    runs = len(sessions(project))
    status, output = run_session(project, "-k", "plain or other", "-n", "2")
    assert "harness: -n is not used: one session shares the devices among its jobs" in output
    assert "workers" not in output
    assert status in (0, 1)
    assert len(sessions(project)) <= runs + 1


C_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def in_the_c_locale(root, *arguments):
    """Exit status and output, in bytes, of a session whose locale knows ASCII alone."""
    command = [sys.executable, "-m", "pytest", "suites/", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=root, env={**environment(), **C_LOCALE}, capture_output=True)
    return done.returncode, done.stdout + done.stderr


def test_a_terminal_without_signs_shows_tables_line_by_line(project):
    status, output = in_the_c_locale(project, "--no-train")
    assert status in (0, 1), output
    assert b"verdict" in output
    assert b"\\n" not in output
    assert b"\\u" not in output


def test_a_path_that_the_locale_cannot_read_is_one_error(tmp_path):
    root = write_project(tmp_path / "d'été")
    status, output = in_the_c_locale(root)
    assert status == 4, output
    assert b"ERROR: HarnessError: " in output
    assert b"the locale (C) knows no letters of this path beyond ASCII" in output
    assert b"Set LC_ALL=C.UTF-8 or PYTHONUTF8=1" in output
