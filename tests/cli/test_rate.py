"""`harness rate` on the answers of a real session: joined, rated, ended, summed up, written out, in the database."""

import csv
import http.cookiejar
import json
import signal
import socket
import subprocess
import sys
import urllib.request

import duckdb
import pytest

for library in ("torch", "starlette", "uvicorn", "krippendorff"):
    pytest.importorskip(library)

from tests.projects import environment, run_session, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("rate") / "project", learning_rate=0.3)  # its answers are others
    status, said = run_session(root, "-k", "(plain or other) and look")
    assert status in (0, 1), said
    return root


def harness(root, *words):
    done = subprocess.run([sys.executable, "-m", "harness", *words], cwd=root, env=environment(), capture_output=True, text=True)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def served(project, tmp_path):
    """Serves the page with these words; a function that asks it, and the process."""
    running = []

    def serve(*words):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "rate", *words, "--suite", "look", "--port", str(port)],
            cwd=project, env={**environment(), "XDG_CACHE_HOME": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored below a background job
        )  # fmt: skip
        running.append(process)
        said = []
        while not (said and said[-1].startswith("http")):
            said.append(process.stdout.readline())
            assert said[-1], process.communicate()[1]
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        browser.open(said[-1].strip())

        def ask(what, **body):
            url = f"http://127.0.0.1:{port}"
            asked = urllib.request.Request(f"{url}/api/{what}", json.dumps(body).encode(), {"Origin": url})
            return json.loads(browser.open(asked).read())

        return ask, process, "".join(said)

    yield serve
    for process in running:
        process.kill()
        process.communicate()


def rate_all(ask, name, value):
    me = {"name": name, "secret": name}
    state = ask("join", **me)
    while (shown := state["shown"]) is not None:
        state = ask(
            "rate", **me, comparison=state["comparison"], sample=shown["sample"], again=shown["again"], value=value
        )
    return state["total"]


def test_what_raters_say_is_summed_up_when_it_ends_and_is_in_files_and_the_database(project, served, tmp_path):
    ask, process, said = served("plain", "other", "--n", "6")
    assert "other-mini against plain-mini, look: 6 prompts" in said
    assert "with 80 % power" in said
    total = rate_all(ask, "Anna", "left") + rate_all(ask, "Ben", "same")
    assert total == 14  # one of six is shown twice
    process.send_signal(signal.SIGINT)
    summary, error = process.communicate(timeout=60)
    assert process.returncode == 0, (summary, error)
    assert "the same" in summary
    assert "6 (50%)" in summary

    given = ["rate", "plain", "other", "--suite", "look", "--n", "6"]
    status, told, _ = harness(project, *given, "--summary", "--json")
    found = json.loads(told)
    assert status == 0
    assert (found["raters"], found["prompts"], found["ratings"], found["twice"]) == (2, 6, 12, 2)
    assert found["mean"]["method"] == "two-way clustered t, 6 items, 2 raters"

    turned = harness(project, "rate", "other", "plain", *given[3:], "--summary", "--json")[1]
    assert json.loads(turned) == found, "A against B is B against A"

    assert harness(project, *given, "--out", str(tmp_path / "r.csv"))[0] == 0
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert {row["first"] for row in rows} == {"other-mini"}
    assert harness(project, "results", "rebuild")[0] == 0
    with duckdb.connect(str(project / ".bench" / "results.duckdb"), read_only=True) as results:
        assert results.execute("SELECT rater, count(*) FROM ratings GROUP BY 1 ORDER BY 1").fetchall() == [("Anna", 7), ("Ben", 7)]  # fmt: skip


def test_pairs_go_elsewhere_and_come_back_and_a_claim_is_judged_on_them(project, tmp_path):
    recipes = project / "recipes" / "tiny.py"
    before = recipes.read_text()
    recipes.write_text(before.replace('Claim("look", "nonempty"', 'Claim("rating", "preferred", higher_than="other"), Claim("look", "nonempty"'))  # fmt: skip
    try:
        given = ["rate", "plain", "other", "--suite", "look", "--n", "12"]
        pairs = tmp_path / "pairs.json"
        assert harness(project, *given, "--tasks", str(pairs))[0] == 0
        assert (tmp_path / "pairs.xml").read_text().startswith("<View>")
        back = [
            {**task, "annotations": [{"completed_by": by, "result": [{"from_name": "preferred", "value": {"choices": ["same"]}}]} for by in (1, 2, 3)]}
            for task in json.loads(pairs.read_text())
        ]  # fmt: skip
        (tmp_path / "back.json").write_text(json.dumps(back))
        status, said, error = harness(project, *given, "--ratings", str(tmp_path / "back.json"))
        assert status == 0, error
        assert "36 ratings in" in said
        assert "36 of them new" in said
        status, said = run_session(project, "-k", "plain and look and rating")
        assert "plain-mini-rating-preferred" in said, said
        assert "rating preferred" in harness(project, "gate", "plain")[1]
        assert harness(project, "ship", "plain")[0] in (1, 3)
    finally:
        recipes.write_text(before)


def test_answers_are_rated_by_one_process_and_on_a_port_of_their_own(project, served):
    ask, process, said = served("plain", "--scale", "5", "--n", "3")
    rate_all(ask, "Anna", "4")
    port = said.split("127.0.0.1:")[1].split("/")[0]
    status, _, error = harness(project, "rate", "plain", "--scale", "5", "--suite", "look", "--n", "3")
    assert status == 2
    assert "are being rated by" in error
    status, _, error = harness(project, "rate", "plain", "other", "--suite", "look", "--port", port)
    assert status == 2
    assert f"--port {port}: cannot listen on 127.0.0.1" in error
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    _, told, _ = harness(project, "rate", "plain", "--scale", "5", "--suite", "look", "--summary")
    assert "4.000" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plain"], "compared with which?"),
        (["plain", "plain"], "plain and plain are the same"),
        (["plain", "nobody"], "there is no recipe or variant 'nobody'"),
        (["plain", "other", "--scale", "5"], "single answers are rated, and two recipes are named"),
        (["plain", "--scale", "1"], "a scale has 2 to 10 points"),
        (["plain", "other", "--suite", "tune"], "tune"),
        (["plain", "ground", "--suite", "look"], "has no evaluation"),
        (["plain", "--scale", "7", "--suite", "look", "--out", "r.csv"], "nobody has rated these answers yet"),
        (["plain", "other", "--scale", "huge"], "huge"),
    ],
)
def test_wrong_words_are_one_error(project, words, said):
    status, _, error = harness(project, "rate", *words)
    assert status == 2
    assert said in error
    assert "Traceback" not in error
