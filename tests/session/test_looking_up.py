"""A session in which subjects look things up: found by words, or the open book, beside the model that is asked."""

import hashlib
import json

import duckdb
import pytest

from tests.projects import run_harness, run_session, write_project

pytest.importorskip("torch")
pytest.importorskip("trl")

RECIPES = '''
"""What is found, and what could be found at best."""

from dataclasses import replace

from harness import Claim, Dataset, Embedded, Mix, OpenBook, Recipe, Retrieve, Variant
from recipes.tiny import GROUND, TINY

WIDE = Recipe(name="wide", stages=GROUND.stages,
              variants=[Variant("mini", base=replace(TINY, context_length=768), scale="mini", save_steps=5)],
              claims=[Claim("asked", "tokens", above=1.0)])
EVENTS = Embedded("events_2025", explode="train", prompt="{question}", completion="{answer}")
FACTS = Mix(Dataset(name="facts", mini=EVENTS))
FOUND = Recipe(
    name="found", stages=[Retrieve(data=FACTS, k=2, cluster="item", fewer=True)],
    variants=[Variant("mini", base=WIDE["mini"], scale="mini")],
    claims=[Claim("asked", "tokens", higher_than="base", by=20.0), Claim("asked", "tokens", no_higher_than="book", margin=1.0)],
)
BOOK = Recipe(
    name="book", stages=[OpenBook(data=FACTS, cluster="item", fewer=True)],
    variants=[Variant("mini", base=WIDE["mini"], scale="mini")],
)
'''

SUITE = '''
"""How long the prompts of questions are: with passages in front longer than without."""

from harness import Dataset, Embedded, Generate, Sample, Suite

QUESTIONS = Dataset(name="questions", mini=Embedded("events_2025", explode="questions", only={"kind": "reversed"}))


def to_sample(row):
    return Sample(id=row["id"], prompt=row["question"], cluster=row["item"])


def tokens(sample, output):
    return {"tokens": float(output["prompt_tokens"])}


ASKED = Suite(name="asked", dataset=QUESTIONS, to_sample=to_sample, asks=[Generate(max_new_tokens=2)], scorer=tokens)


def test_asked(checkpoint, evaluate):
    assert evaluate(ASKED, checkpoint).scored == len(ASKED.dataset) == 20


def test_gate(verdict):
    assert verdict.passed, verdict.message
'''
SELECTED = ("-k", "(found or book) and asked", "--scale", "mini")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"))
    (root / "recipes" / "rivals.py").write_text(RECIPES.lstrip())
    (root / "suites" / "test_asked.py").write_text(SUITE.lstrip())
    return root, *run_session(root, *SELECTED)


def test_claims_compare_what_looks_up_with_what_does_not(session):
    _, status, said = session
    assert status == 0, said
    assert "2 claims hold" in said
    assert "book-mini" in said
    assert "wide-mini" in said


def test_each_sample_says_what_stood_before_it_and_whether_it_was_right(session):
    root, *_ = session
    with duckdb.connect(str(root / ".bench" / "results.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT e.subject, s.passages, s.found, s.rendered_prompt, s.prompt FROM samples s JOIN evaluations e USING (evaluation)"
        ).fetchall()
    by_subject = {name: [row[1:] for row in rows if row[0] == name] for name in {row[0] for row in rows}}
    assert set(by_subject) == {"found-mini", "book-mini", "wide-mini"}
    assert {(passages, found) for passages, found, *_ in by_subject["wide-mini"]} == {(None, None)}
    assert all(found for _, found, *_ in by_subject["book-mini"])
    for passages, found, rendered, prompt in by_subject["found-mini"]:
        listed = json.loads(passages)
        assert found == any(one["right"] for one in listed)
        assert len(rendered) > len(prompt) + 60 or not listed
        assert "\n\n" not in prompt, "the scorer sees the question alone"
    assert sum(found for _, found, *_ in by_subject["found-mini"]) >= 15


def test_the_report_says_what_an_answer_costs_and_how_often_the_right_passage_was_there(session):
    root, _, said = session
    assert "what an answer costs" in said
    page = (root / ".bench" / "reports" / "report.html").read_text()
    assert "What an answer costs" in page
    assert "20 of 20" in page


def test_a_second_session_asks_nothing(session):
    root, *_ = session
    status, said = run_session(root, *SELECTED)
    assert status == 0
    assert "to measure" not in said


def test_what_has_no_weights_of_its_own_is_not_exported_and_says_what_is(session):
    root, *_ = session
    told = run_harness(root, "export", "found", "--scale", "mini", "--out", str(root / "out"))
    assert told.returncode == 2
    assert "found-mini looks things up" in told.stderr
    assert "Name what it asks: wide-mini" in told.stderr


def test_a_plan_and_the_reasons_of_a_fingerprint_know_it(session):
    root, *_ = session
    [found] = json.loads(run_harness(root, "plan", "found", "--scale", "mini", "--json").stdout)
    assert (found["id"], found["training_rows"], found["trainable_parameters"]) == ("found-mini", 0, 0)
    assert run_harness(root, "why", "found", "--scale", "mini").returncode == 0


def test_it_can_be_shipped_by_its_own_claims(session):
    root, *_ = session
    told = run_harness(root, "ship", "found", "--scale", "mini", "--json")
    assert told.returncode == 0, told.stderr
    [found] = json.loads(told.stdout)
    states = {line["name"]: line["state"] for line in found["lines"]}
    assert (found["outlook"], found["cost"]["words"].startswith("trained for ")) == ("ship", True)
    assert states == {"learnt": "pass", "better": "pass"} | dict.fromkeys(
        ("kept", "invented", "stable", "clean"), "unclaimed"
    )
    told = run_harness(root, "ship", "found", "--scale", "mini", "--sign", str(root / "found.json"))
    assert told.returncode == 2
    assert "found-mini trains nothing" in told.stderr


def test_a_statement_says_what_weights_and_what_they_were_judged_by(session):
    root, *_ = session
    file = root / "wide.json"
    told = run_harness(root, "ship", "wide", "--scale", "mini", "--sign", str(file))
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.startswith("wide-mini: ship")
    statement = json.loads(file.read_text())
    assert statement["predicate"]["result"] == "PASSED"
    assert statement["predicate"]["passedTests"] == ["wide-mini-asked-tokens"]
    names = [one["name"].split(":")[0] for one in statement["predicate"]["configuration"]]
    assert names == ["checkpoint wide-mini", "claim wide-mini-asked-tokens", "evaluation asked of wide-mini"]
    [weights] = statement["subject"]
    [path] = (root / ".bench" / "store" / "checkpoints").glob("*/model.safetensors")
    assert weights["digest"] == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    nowhere = run_harness(root, "ship", "wide", "--scale", "mini", "--sign", str(root / "no" / "wide.json"))
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "there is no folder" in nowhere.stderr


def test_what_claims_nothing_cannot_be_decided(session):
    root, *_ = session
    told = run_harness(root, "ship", "book", "--scale", "mini")
    assert told.returncode == 2
    assert "book claims nothing to decide by" in told.stderr


def test_the_report_begins_with_whether_it_can_be_shipped(session):
    root, *_ = session
    page = (root / ".bench" / "reports" / "report.html").read_text()
    assert page.index('id="ship"') < page.index('id="claims"')
    assert "| `found-mini` | ship | ✓ | ✓ | – | – | – | – |" in (root / ".bench" / "reports" / "report.md").read_text()


def test_a_report_on_some_of_the_claims_does_not_say_ship(session):
    root, *_ = session
    status, said = run_session(root, "-k", "found-mini-asked-tokens-no_higher", "--scale", "mini")
    assert status == 0, said
    assert (
        "| `found-mini` | undecided | – | ✓ | – | – | – | – |"
        in (root / ".bench" / "reports" / "report.md").read_text()
    )


def test_training_anew_what_it_asks_asks_it_anew(session):
    root, *_ = session
    status, said = run_session(root, "-k", "wide and asked", "--scale", "mini", "--retrain")
    assert status == 0, said
    status, said = run_session(root, *SELECTED)
    assert status == 0, said
    assert "to measure: 2 checkpoints" in said


def test_its_lineage_is_that_of_the_weights_it_asks(session):
    root, *_ = session
    with duckdb.connect(str(root / ".bench" / "results.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT DISTINCT s.subject, c.stage FROM subjects s LEFT JOIN checkpoints c ON c.fingerprint = s.weights"
        ).fetchall()
    assert set(rows) == {("found-mini", "pretrain"), ("book-mini", "pretrain"), ("wide-mini", None)}
    page = (root / ".bench" / "reports" / "report.html").read_text()
    assert "checkpoint <code>" not in page[page.index('id="lineage"') :], "each has a stage that was made"


def test_results_of_what_it_looked_up_before_are_pruned_and_no_others(session):
    root, *_ = session
    assert "0 artifacts that no recipe leads to" in run_harness(root, "store", "prune").stdout
    path = root / "recipes" / "rivals.py"
    path.write_text(path.read_text().replace("k=2", "k=3"))
    listed = run_harness(root, "store", "prune").stdout
    assert "2 artifacts that no recipe leads to" in listed
    assert listed.count("would remove") == 2
    assert "checkpoint" not in listed
    path.write_text(path.read_text().replace("k=3", "k=2"))


def test_an_index_with_too_few_rows_is_refused_before_anything_runs(session):
    root, *_ = session
    path = root / "recipes" / "rivals.py"
    path.write_text(path.read_text().replace("k=2", "k=2_000"))
    status, said = run_session(root, *SELECTED)
    assert status != 0
    assert "found-mini retrieve: Retrieve takes k=2000 passages, and there are 100." in said
