"""Gates in continuous integration, in whole sessions: baselines, JUnit files, GitHub, a machine without torch, early stops."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from harness.store.artifacts import Store
from tests.projects import environment, run_harness, run_session, start_session, write_project

pytest.importorskip("torch")
pytest.importorskip("trl")

RECIPES = '''
"""A claim that holds at once, one that fails, one that nobody can decide, and a training to compare with."""

from dataclasses import replace

from harness import Claim, Finetune, Mix, Recipe, Target, Variant
from recipes.tiny import GROUND, ROWS

STAGE = Finetune(data=Mix(ROWS), learning_rate=LEARNING_RATE, epochs=1, effective_batch_size=8, max_length=128)
BRIEF = Recipe(
    name="brief",
    stages=[STAGE],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini")],
    claims=[Claim("brevity", "brief", above=0.5), Claim("brevity", "verbose", above=0.5)],
)
DOUBTFUL = Recipe(
    name="doubtful",
    stages=[replace(STAGE, learning_rate=1e-3)],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini")],
    claims=[Claim("brevity", "even", above=0.5)],
)
'''

SUITE = '''
"""How long answers are: all brief, none verbose, and half of the prompts even."""

from harness import Dataset, Embedded, Generate, Guard, Mean, Sample, Suite

TONE_PROMPTS = Dataset(name="tone_prompts", mini=Embedded("tone_prompts"))


def to_sample(row):
    return Sample(id=row["id"], prompt=row["prompt"])


def measured(sample, output):
    words = len(output["completion"].split())
    even = sum(map(ord, sample.id)) % 2
    return {"brief": float(words < 40), "verbose": float(words >= 40), "even": float(even), "words": float(words)}


SHARE = (0.0, 1.0)
BREVITY = Suite(
    name="brevity", dataset=TONE_PROMPTS, to_sample=to_sample, asks=[Generate(max_new_tokens=6)], scorer=measured,
    metrics=[
        Mean("brief", SHARE, better="higher"), Mean("verbose", SHARE, better="lower"), Mean("even", SHARE), Mean("words"),
    ],
    guards=[Guard("brief", may_fall=0.1), Guard("words", may_rise=WORDS)],
)


def test_brevity(checkpoint, evaluate):
    evaluation = evaluate(BREVITY, checkpoint)
    assert evaluation.scored == len(BREVITY.dataset)


def test_gate(verdict):
    assert verdict.passed, verdict.message
'''


def write(root, words=5.0, learning_rate=4e-3):
    write_project(root)
    (root / "suites" / "test_look.py").unlink()
    (root / "recipes" / "brief.py").write_text(RECIPES.replace("LEARNING_RATE", repr(learning_rate)).lstrip())
    (root / "suites" / "test_brevity.py").write_text(SUITE.replace("WORDS", repr(words)).lstrip())
    tiny = root / "recipes" / "tiny.py"
    text = re.sub(r"    claims=\[.*?\],\n\)", ")", tiny.read_text(), flags=re.DOTALL)
    tiny.write_text(text)
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose two recipes are trained and measured."""
    root = write(tmp_path_factory.mktemp("project"))
    status, output = run_session(root, "-k", "brief or doubtful", f"--junit-xml={root / 'junit.xml'}")
    assert status == 1, output
    (root / "first.txt").write_text(output)
    return root


def copied(project, tmp_path):
    """The project in a folder of its own, store included."""
    root = tmp_path / "project"
    shutil.copytree(project, root)
    return root


# ---- what a session prints and writes -----------------------------------------------------------------


def test_each_gate_says_before_training_what_it_could_detect(project):
    output = (project / "first.txt").read_text()
    before, _ = output.split("test_brevity.py", 1)
    found = re.findall(r"^  (\S+): could detect a difference of (\S+) with 260 samples \((.*)\)$", before, re.MULTILINE)
    assert [gate for gate, _, _ in found] == [
        "brief-mini-brevity-brief", "brief-mini-brevity-verbose", "doubtful-mini-brevity-even",
    ]  # fmt: skip
    assert {told for *_, told in found} == {"worst case for scores in [0, 1]"}
    # one claim: (t(0.975) + t(0.8)) * 0.5 / sqrt(260) = 0.087; of two claims Holm's first looks at 0.025
    assert [float(least) for _, least, _ in found] == [0.096, 0.096, 0.087]


def test_three_verdicts_in_one_session(project):
    output = (project / "first.txt").read_text()
    assert "1 claim holds, 1 fails, 1 cannot be decided." in output
    assert "INCONCLUSIVE doubtful-mini-brevity-even" in output.replace("test_gate[", "").replace("]", "")
    assert "doubtful-mini claims: brevity even is above 0.5." in output


ALLOWED = {  # element -> its children and attributes, as the schema of xunit2 (junit-10.xsd) has them
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "group", "id", "package"},
    ),
    "properties": ({"property"}, set()),
    "property": (set(), {"name", "value"}),
    "testcase": ({"skipped", "errors", "failure", "system-out", "system-err"}, {"name", "time", "classname", "group"}),
    "failure": (set(), {"type", "message"}),
    "skipped": (set(), {"type", "message"}),
}


def test_the_junit_file_keeps_to_the_schema(project):
    def check(element):
        children, attributes = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes, element.tag
        assert {child.tag for child in element} <= children, element.tag
        for child in element:
            check(child)

    check(ET.parse(project / "junit.xml").getroot())


def test_the_junit_file_holds_every_verdict_with_its_interval(project):
    found = {p.get("name"): p.get("value") for p in ET.parse(project / "junit.xml").getroot().iter("property")}
    assert found["brief-mini-brevity-brief.verdict"] == "pass"
    assert found["brief-mini-brevity-verbose.verdict"] == "fail"
    assert found["doubtful-mini-brevity-even.verdict"] == "inconclusive"
    for gate in ("brief-mini-brevity-brief", "doubtful-mini-brevity-even"):
        low, estimate, high = (float(found[f"{gate}.{name}"]) for name in ("low", "estimate", "high"))
        assert low < estimate <= high
        assert found[f"{gate}.metric"] == gate.rsplit("-", 1)[1]
    failed = [case.get("name") for case in ET.parse(project / "junit.xml").getroot().iter("testcase") if len(case)]
    assert failed == ["test_gate[brief-mini-brevity-verbose]"]


def test_the_older_junit_family_has_properties_on_each_test(project, tmp_path):
    path = tmp_path / "junit.xml"
    run_session(project, "-k", "doubtful", f"--junit-xml={path}", "-o", "junit_family=xunit1")
    [case] = [c for c in ET.parse(path).getroot().iter("testcase") if c.get("name").startswith("test_gate")]
    assert {p.get("name"): p.get("value") for p in case.iter("property")}["verdict"] == "inconclusive"


def test_strict_gates_turn_doubt_into_failure(project):
    status, output = run_session(project, "-k", "doubtful", "--strict-gates")
    assert status == 1
    assert "FAILED" in output
    status, _ = run_session(project, "-k", "doubtful")
    assert status == 0


# ---- GitHub -------------------------------------------------------------------------------------------


def test_github_gets_annotations_and_a_summary(project, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("## Before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    _, output = run_session(project, "-k", "brief or doubtful")
    lines = [line for line in output.splitlines() if line.startswith("::")]
    assert [line.split(",")[0] for line in lines] == ["::error file=recipes/brief.py", "::warning"] or len(lines) == 2
    assert "title=brief-mini-brevity-verbose::brief-mini claims: brevity verbose is above 0.5." in lines[0]
    assert lines[1].startswith("::warning ")
    assert "title=doubtful-mini-brevity-even::" in lines[1]
    text = summary.read_text()
    assert text.startswith("## Before\n")
    assert "1 claim holds, 1 fails, 1 cannot be decided." in text


def test_outside_of_github_nothing_of_it_is_printed(project, monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    _, output = run_session(project, "-k", "brief")
    assert "::error" not in output


# ---- baselines ----------------------------------------------------------------------------------------


def test_a_session_judges_guarded_metrics_against_the_baseline(project, tmp_path):
    root = copied(project, tmp_path)
    done = run_harness(root, "baseline", "set", "main", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["subject"] for row in json.loads(done.stdout)} == {"brief-mini", "doubtful-mini"}
    shown = run_harness(root, "baseline", "show")
    assert "main" in shown.stdout
    status, output = run_session(root, "-k", "brief", "--baseline", "main")
    assert status == 1  # the claim on verbosity
    assert "4 claims hold" in output or "3 claims hold, 1 fails" in output
    assert "since baseline main" in output
    # another training under the same name, and a margin that no change of length may pass
    write(root, words=0.001, learning_rate=2e-2)
    status, output = run_session(root, "-k", "brief", "--baseline", "main")
    assert status == 1
    assert "brevity words has not risen by 0.001 or more since baseline main" in output.replace("\n", " ")
    gate = run_harness(root, "gate", "brief", "--baseline", "main", "--json")
    verdicts = {one["gate"]: one for one in json.loads(gate.stdout)}
    assert verdicts["brief-mini-brevity-brief-regression"]["verdict"] == "pass"
    assert verdicts["brief-mini-brevity-words-regression"]["kind"] == "regression"
    rows = run_harness(root, "results", "query", "SELECT DISTINCT better FROM runs", "--json")
    assert json.loads(json.loads(rows.stdout)[0]["better"]) == {"brevity": {"brief": "higher", "verbose": "lower"}}
    rows = run_harness(root, "results", "query", "SELECT name, subject, suite FROM baselines ORDER BY 2", "--json")
    assert json.loads(rows.stdout)[0] == {"name": "main", "subject": "brief-mini", "suite": "brevity"}


def test_what_does_not_compare_is_told_beside_the_verdicts(project, tmp_path):
    root = copied(project, tmp_path)
    run_harness(root, "baseline", "set", "main")
    suite = root / "suites" / "test_brevity.py"
    suite.write_text(suite.read_text().replace("words < 40", "words < 41"))
    _, output = run_session(root, "-k", "doubtful")
    assert "to score from stored answers: 1 checkpoints" in output
    assert "to measure" not in output
    assert "could detect" not in output, "the verdicts are as soon there"
    done = run_harness(root, "gate", "doubtful", "--baseline", "main")
    assert done.returncode == 2
    assert "inconclusive  doubtful-mini-brevity-even" in done.stdout
    assert "doubtful-mini-brevity-brief-regression: SuiteError: baseline main does not compare" in done.stderr
    assert "suite brevity has changed in scorer" in done.stderr
    [then, now] = [
        row["run_id"]
        for row in json.loads(
            run_harness(root, "results", "query", "SELECT run_id FROM measured WHERE subject = 'doubtful-mini' "
                        "AND suite = 'brevity' ORDER BY 1", "--json").stdout
        )
    ][-2:]  # fmt: skip
    across = run_harness(root, "compare", f"doubtful@{now}", f"doubtful@{then}", "--json")
    assert across.returncode == 2
    assert "suite brevity has changed in scorer between" in across.stderr
    anyway = run_harness(root, "compare", f"doubtful@{now}", f"doubtful@{then}", "--common", "--json")
    assert anyway.returncode == 0, anyway.stderr


def test_what_else_a_test_asserts_of_a_verdict_is_its_own_failure(project, tmp_path):
    root = copied(project, tmp_path)
    own = "def test_own(verdict):\n    assert verdict.n > 10_000, 'too few for me'\n"
    (root / "suites" / "test_own.py").write_text(own)
    status, output = run_session(root, "suites/test_own.py", "-k", "doubtful")
    assert status == 1
    assert "too few for me" in output


def test_a_baseline_that_is_not_there_is_a_usage_error(project):
    status, output = run_session(project, "-k", "brief", "--baseline", "mian")
    assert status == 4
    assert "there is no baseline 'mian'" in output
    assert "harness baseline set mian" in output
    assert run_harness(project, "gate", "--baseline", "mian").returncode == 2


def test_pruning_keeps_what_a_baseline_names(project, tmp_path):
    root = copied(project, tmp_path)
    run_harness(root, "baseline", "set", "main")
    write(root, learning_rate=1e-4)  # no recipe leads to the old checkpoint of brief any more
    done = run_harness(root, "store", "prune", "--yes")
    assert "removed checkpoint" in done.stdout
    kept = json.loads((root / ".bench/store/baselines/main.json").read_text())["evaluations"]
    keys = {key for suites in kept.values() for key in suites.values()}
    assert {path.name for path in (root / ".bench/store/evaluations").iterdir()} >= keys


# ---- harness gate, compare ----------------------------------------------------------------------------


def test_gate_exits_0_1_or_2(project, tmp_path):
    assert run_harness(project, "gate", "doubtful").returncode == 0
    assert run_harness(project, "gate", "doubtful", "--strict-gates").returncode == 1
    assert run_harness(project, "gate", "brief").returncode == 1
    wrong = run_harness(project, "gate", "breif")
    assert wrong.returncode == 2
    assert "there is no recipe or variant 'breif'" in wrong.stderr
    empty = run_harness(project, "gate", "--store", str(tmp_path / "empty"))
    assert empty.returncode == 2
    assert "nothing they need is measured" in empty.stderr


def test_compare_reads_stored_runs_of_several_machines(project, tmp_path):
    root = copied(project, tmp_path)
    write(root, learning_rate=2e-2)
    run_session(root, "-k", "brief")
    there = root / ".bench" / "laptop.duckdb"
    (root / ".bench" / "results.duckdb").replace(there)
    here = project / ".bench" / "results.duckdb"
    files = ["--results", str(here), "--results", str(there)]
    done = run_harness(project, "compare", "brief-mini", "brief-mini@laptop", "--metric", "words", *files, "--json")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert (row["candidate"], row["baseline"], row["n"]) == ("brief-mini", "brief-mini@laptop", 260)
    same = run_harness(project, "compare", "doubtful", "brief", "--json")
    again = run_harness(project, "compare", "doubtful", "brief", "--results", str(here), "--json")
    figures = [{(r["suite"], r["metric"]): r["estimate"] for r in json.loads(one.stdout)} for one in (same, again)]
    assert figures[0] == pytest.approx(figures[1])
    wrong = run_harness(project, "compare", "brief-mini", "nobody", *files)
    assert wrong.returncode == 2
    assert "no subject 'nobody'" in wrong.stderr
    report = run_harness(project, "report", *files, "--out", str(tmp_path / "out"))
    assert report.returncode == 0, report.stderr
    assert "brief-mini@laptop" in (tmp_path / "out" / "report.md").read_text()


def test_evaluations_and_baselines_are_all_of_the_store_that_judging_needs(project, tmp_path):
    root = copied(project, tmp_path)
    run_harness(root, "baseline", "set", "main")
    for folder in (root / ".bench" / "store").iterdir():
        if folder.name not in ("evaluations", "baselines") and folder.is_dir():
            shutil.rmtree(folder)
        elif folder.is_file():
            folder.unlink()
    done = run_harness(root, "gate", "--baseline", "main", "--json")
    assert done.returncode == 1, done.stderr
    verdicts = [one["verdict"] for one in json.loads(done.stdout) if one["subject"] in ("brief-mini", "doubtful-mini")]
    # a claim, and two guarded metrics of two recipes
    assert sorted(verdicts) == ["fail", "inconclusive", *["pass"] * 5]


def test_several_seeds_are_trained_and_judged_as_one(project, tmp_path):
    root = copied(project, tmp_path)
    status, output = run_session(root, "-k", "brief", "--seeds", "2")
    assert status == 1, output
    assert "to train: brief-mini-seed1 finetune; to measure: 1 checkpoints" in output
    assert "over 2 training seeds" in output
    gates = [line for line in output.splitlines() if "test_gate[" in line]
    assert gates
    assert not any("seed1" in line for line in gates), "two seeds are one gate"
    again = json.loads(run_harness(root, "gate", "brief", "--seeds", "2", "--json").stdout)
    assert all("2 seeds alike" in one["method"] or "2 training seeds" in one["method"] for one in again)


# ---- without torch ------------------------------------------------------------------------------------

BLOCKER = """
import importlib.util
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

find_spec = importlib.util.find_spec
sys.meta_path.insert(0, Missing())
importlib.util.find_spec = lambda name, package=None: None if name.split(".")[0] in NAMES else find_spec(name, package)
"""
FAMILY = {"torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes", "lm_eval", "tokenizers"}


def test_a_machine_without_torch_judges_compares_and_reports(project, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.replace("NAMES", repr(FAMILY)))
    surroundings = environment()
    surroundings["PYTHONPATH"] = f"{tmp_path}:{surroundings['PYTHONPATH']}"

    def run(*command):
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=project, env=surroundings, capture_output=True, text=True, timeout=300
        )

    assert "No module named torch" in run("torch").stderr
    judged = run("pytest", "suites/", "-p", "no:cacheprovider", "--no-train")
    assert judged.returncode == 1, judged.stdout + judged.stderr
    assert "1 claim holds, 1 fails, 1 cannot be decided." in judged.stdout
    assert run("harness", "gate", "doubtful").returncode == 0
    assert run("harness", "compare", "brief", "doubtful").returncode == 0
    assert run("harness", "report").returncode == 0
    assert run("harness", "baseline", "set", "light").returncode == 0
    trains = run("pytest", "suites/", "-p", "no:cacheprovider", "-k", "brief", "--retrain")
    assert trains.returncode == 4
    assert "to train and measure, torch, transformers" in trains.stderr + trains.stdout


# ---- --adaptive ---------------------------------------------------------------------------------------


def test_a_suite_is_stopped_once_its_gates_are_decided(project, tmp_path):
    root = copied(project, tmp_path)
    whole = [a.key for a in Store(root / ".bench/store").all("evaluations")]
    for key in whole:
        shutil.rmtree(root / ".bench/store/evaluations" / key)
    shutil.rmtree(root / ".bench/store/verdicts")
    status, output = run_session(root, "-k", "brief or doubtful", "--adaptive")
    assert status == 1, output
    assert "1 claim holds, 1 fails, 1 cannot be decided." in output
    told = re.search(r"--adaptive spared (\d+) of 260 samples .*: brief-mini brevity after (\d+) of 260", output)
    assert told, output
    assert 0 < int(told[2]) < 260
    assert int(told[1]) == 260 - int(told[2])
    found = {a.record["subject"]: a for a in Store(root / ".bench/store").all("evaluations")}
    assert found["brief-mini"].record["samples"] == int(told[2])
    assert found["brief-mini"].record["samples_available"] == 260
    assert found["doubtful-mini"].record["samples"] == 260, "nothing decides it, so all is asked"
    # the same again measures nothing; what judges without measuring finds it as well
    status, again = run_session(root, "-k", "brief or doubtful", "--adaptive")
    assert "to measure" not in again
    assert "1 claim holds, 1 fails, 1 cannot be decided." in again
    gate = json.loads(run_harness(root, "gate", "brief", "--json").stdout)
    assert {one["verdict"] for one in gate} == {"pass", "fail"}
    assert all(one["n"] == int(told[2]) for one in gate)
    assert "confidence sequence" in gate[0]["method"]
    # and a session that wants all samples has another evaluation: of all answers, which are stored
    _, output = run_session(root, "-k", "brief")
    assert "to score from stored answers: 1 checkpoints" in output
    assert len(list(Store(root / ".bench/store").all("evaluations"))) == 3


def test_a_killed_session_goes_on_with_the_batches_that_were_answered(project, tmp_path):
    roots = [copied(project, tmp_path / name) for name in ("whole", "killed")]
    for root in roots:
        for kind in ("answers", "evaluations"):
            shutil.rmtree(root / ".bench/store" / kind)
    run_session(roots[0], "-k", "brief", "--adaptive")
    process = start_session(roots[1], "-k", "brief", "--adaptive")
    measuring = roots[1] / ".bench/store/measuring"
    while process.poll() is None and not any(
        (folder / f"{folder.name.removesuffix('-0')}.json").exists() for folder in measuring.glob("*-0")
    ):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    status, output = run_session(roots[1], "-k", "brief", "--adaptive")
    assert status == 1, output
    assert not list(measuring.glob("*-0")), "what was answered was used, and is no longer needed"
    found = [
        next(a for a in Store(root / ".bench/store").all("evaluations") if a.record["subject"] == "brief-mini")
        for root in roots
    ]
    assert found[0].key == found[1].key
    assert found[0].manifest["files"] == found[1].manifest["files"], "the same samples and answers, byte for byte"
