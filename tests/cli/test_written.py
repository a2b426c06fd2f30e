"""`harness data generate` and `paraphrase`, by a server on loopback that answers as told, killed and odd at times."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("openai")
pytest.importorskip("py3langid")

from tests.projects import environment
from tests.scripted import asked_about, said, scripted, wants_json

NAMES = ["Amber", "Birch", "Cedar", "Dahlia", "Elder", "Fern", "Ginger", "Hazel", "Iris", "Juniper"]
ABSTRACT = (
    "{} is a method that estimates treatment effects of online experiments, and lowers the variance by {} percent."
)


def papers(tmp_path, count=6):
    names = [f"{NAMES[i % 10]}{'abc'[i // 10 - 1] if i > 9 else ''}" for i in range(count)]
    rows = [
        {"id": f"p{i}", "title": f"On {name}", "abstract": ABSTRACT.format(name, 10 + i), "url": f"https://x/{i}"}
        for i, name in enumerate(names)
    ]
    file = tmp_path / "papers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def pair_of(body):
    """The pair that a good model would write about the paper of a request."""
    name, number = re.search(r"Text: On (\w+)\s.*by (\d+) percent", asked_about(body), re.DOTALL).groups()
    return {
        "question": f"By how much does {name} lower the variance of online experiments?",
        "answer": f"{name} lowers the variance of treatment effects by {number} percent.",
    }


def in_json(body):
    return 200, said(json.dumps({"pairs": [pair_of(body)]}))


def command(server, file, *more, what="generate"):
    output = file.with_name("rows.jsonl")
    return [
        sys.executable, "-m", "harness", "data", what, str(file), "--output", str(output), "--endpoint", server.url, "--model", "tiny-author", *more,
    ]  # fmt: skip


def run(server, file, *more, what="generate"):
    done = subprocess.run(
        command(server, file, *more, what=what), cwd=file.parent, env=environment(), capture_output=True, text=True, timeout=120
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def rows(file):
    return [json.loads(line) for line in file.with_name("rows.jsonl").read_text().splitlines()]


def test_pairs_are_written_with_their_source_and_counted(tmp_path):
    file = papers(tmp_path)
    with scripted(in_json) as server:
        status, said_, error = run(server, file, "--price-in", "2", "--price-out", "10", "--json")
    assert status == 0, error
    assert json.loads(said_) == {
        "requests": 6, "cut_at_their_length": 0, "found": 6, "left_out": {}, "rows": 6, "prompt_tokens": 600, "answer_tokens": 60, "cost": 0.0018,
    }  # fmt: skip
    first = rows(file)[0]
    assert first["question"] == "By how much does Amber lower the variance of online experiments?"
    assert (first["id"], first["source_id"], first["url"], first["model"]) == ("p0-1", "p0", "https://x/0", "tiny-author")  # fmt: skip
    assert len(first["prompt_digest"]) == 16
    assert all(wants_json(body) and body["model"] == "tiny-author" for body in server.asked)


def test_a_second_run_asks_nothing_and_other_filters_cost_nothing(tmp_path):
    file = papers(tmp_path)
    with scripted(in_json) as server:
        assert run(server, file)[0] == 0
        written = rows(file)
        assert run(server, file)[0] == 0
        assert rows(file) == written
        assert run(server, file, "--min-words", "30")[0] == 2  # every answer is shorter
        assert len(server.asked) == 6
        file.write_text(file.read_text() + json.dumps({"id": "new", "abstract": ABSTRACT.format("Zinnia", 70), "title": "On Zinnia"}) + "\n")  # fmt: skip
        assert run(server, file)[0] == 0
        assert len(server.asked) == 7
    assert [row["source_id"] for row in rows(file)] == ["p0", "p1", "p2", "p3", "p4", "p5", "new"]


def test_killed_at_any_moment_it_goes_on_and_asks_no_answered_question_again(tmp_path):
    file = papers(tmp_path, 40)
    kept = tmp_path / "rows.jsonl.answers"
    answered: set[str] = set()
    again = []

    def slowly(body):
        if asked_about(body) in answered:
            again.append(body)
        time.sleep(0.03)
        return in_json(body)

    def prompts_kept():
        """The prompts whose answers are on disk."""
        found = [path.name.partition(".got")[0] for path in kept.glob("*.got.jsonl")]
        ids = {json.loads(line)["id"] for name in found for line in (kept / f"{name}.got.jsonl").read_text().splitlines(keepends=True) if line.endswith("\n")}  # fmt: skip
        questions = [json.loads(line) for name in found for line in (kept / f"{name}.questions.jsonl").read_text().splitlines()]  # fmt: skip
        return {question["prompt"] for question in questions if question["id"] in ids}

    with scripted(slowly) as server:
        kills = 0
        while True:
            running = subprocess.Popen(
                command(server, file, "--at-once", "2"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )  # fmt: skip
            try:
                running.wait(2.0 + 0.07 * kills)
                break
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait()
                time.sleep(0.5)  # the worker sees that its parent is gone
                answered |= prompts_kept()
                kills += 1
    assert running.returncode == 0
    assert kills >= 1
    assert again == []
    assert len(server.asked) <= 40 + 2 * kills
    assert [row["source_id"] for row in rows(file)] == [f"p{i}" for i in range(40)]


@pytest.mark.parametrize(
    ("odd", "left_out"),
    [
        ((200, said("Here you are, with pleasure.")), "answer in another form"),
        ((200, said('{"pairs": "none"}')), "answer in another form"),
        ((200, said('{"pairs": [{"q": "What?"}]}')), "answer in another form"),
        ((200, said("")), "empty answer"),
        ((200, {"choices": [], "usage": "none"}), "empty answer"),
        ((400, {"error": {"message": "content policy"}}), "refused by its server"),
    ],
)
def test_an_odd_answer_is_counted_and_the_others_are_kept(tmp_path, odd, left_out):
    file = papers(tmp_path)
    with scripted(lambda body: odd if "Cedar" in asked_about(body) else in_json(body)) as server:
        status, told, error = run(server, file, "--json")
    assert status == 0, error
    assert json.loads(told)["left_out"] == {left_out: 1}
    assert [row["source_id"] for row in rows(file)] == ["p0", "p1", "p3", "p4", "p5"]


def test_a_busy_server_is_asked_again_and_one_that_stays_busy_ends_the_run_with_what_it_gave(tmp_path):
    file = papers(tmp_path)
    busy = {"left": 3, "always": True}

    def reply(body):
        if "Fern" in asked_about(body) and busy["always"]:
            return 429, {"error": "slow down"}
        busy["left"] -= 1
        return (429, {"error": "slow down"}) if busy["left"] >= 0 else in_json(body)

    with scripted(reply) as server:
        status, _, error = run(server, file)
        assert status == 2
        assert "answers 429" in error
        assert "Run again: what was answered is kept." in error
        assert error.count("\n") == 2, error
        assert not file.with_name("rows.jsonl").exists()
        busy["always"], before = False, len(server.asked)
        assert run(server, file)[0] == 0
        assert len(server.asked) - before <= 2, "the one that was refused, and one under way when the run ended"
    assert len(rows(file)) == 6


def test_a_server_that_refuses_everything_is_not_asked_everything(tmp_path):
    file = papers(tmp_path, 40)
    with scripted(lambda body: (400, {"error": "temperature: unsupported value"})) as server:
        status, _, error = run(server, file)
    assert status == 2
    assert "temperature: unsupported value" in error
    assert len(server.asked) <= 2 * 16


def test_refusals_are_told_and_odd_answers_are_not_paid_for_again(tmp_path):
    file = papers(tmp_path)

    def reply(body):
        if "Cedar" in asked_about(body):
            return 400, {"error": "content policy"}
        return (200, {"choices": [], "usage": {"prompt_tokens": 50}}) if "Amber" in asked_about(body) else in_json(body)

    with scripted(reply) as server:
        status, told, error = run(server, file, "--json")
        assert status == 0, error
        assert "note: 2 requests had no answer; 1 of them:" in error
        assert json.loads(told)["prompt_tokens"] >= 450
        before = len(server.asked)
        assert run(server, file)[0] == 0
        assert len(server.asked) == before + 1, "what was refused is asked again, and nothing else"


def test_paraphrases_keep_what_their_fact_says(tmp_path):
    file = tmp_path / "facts.jsonl"
    file.write_text(json.dumps({"id": "f", "fact": "AF-3001 is a race in AuthFlow.", "service": "AuthFlow"}) + "\n")
    texts = [
        "In AuthFlow there is a race: AF-3001.",
        "There is a race in AuthFlow, AF-3002.",
        "AF-3001 is a race in AuthFlow.",
    ]
    with scripted(lambda body: (200, said(json.dumps({"phrasings": texts})))) as server:
        status, told, error = run(server, file, "--json", what="paraphrase")
    assert status == 0, error
    assert json.loads(told)["left_out"] == {"a code or number of the fact is lost": 1, "the same words": 1}
    assert [(row["fact"], row["phrasing_of"]) for row in rows(file)] == [(texts[0], "AF-3001 is a race in AuthFlow.")]


def test_a_dry_run_asks_nothing(tmp_path):
    file = papers(tmp_path)
    with scripted(in_json) as server:
        status, told, _ = run(server, file, "--dry-run", "--json", "--price-out", "1")
        assert (status, server.asked) == (0, [])
    plan = json.loads(told)
    assert (plan["requests"], plan["answer_tokens_at_most"], plan["cost"]) == (6, 6 * 5 * 160, 0.0048)
    assert "Amber" in plan["first_prompt"]
    assert not file.with_name("rows.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (["--model", "m"], "which model writes?"),
        (["--endpoint", "localhost", "--model", "m"], "'localhost' is no address"),
        (["--endpoint", "http://me:hush@127.0.0.1:9/v1", "--model", "m"], "holds a name or password"),
        (["--endpoint", "http://127.0.0.1:abc/v1", "--model", "m"], "that is no address of a server"),
        (["--endpoint", "http://[::1", "--model", "m"], "is no address"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", ""], "no model is named"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--gpu", "0"], "--gpu is about a checkpoint"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--output", "papers.jsonl"], "is the file that is read"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--checkpoint", "x"], "one of them writes"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--items", "0"], "--items 0: take at least one"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--grounded", "7"], "--grounded 7.0: a share is from 0 to 1"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--text", "summary"], "no text in summary"),
    ],
)  # fmt: skip
def test_wrong_words_are_one_error(tmp_path, words, said_):
    file = papers(tmp_path, 1)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "data", "generate", str(file), "--output", str(tmp_path / "o.jsonl"), *words],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert said_ in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    assert list(tmp_path.iterdir()) == [file]
