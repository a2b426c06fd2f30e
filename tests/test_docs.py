"""README and docs/ against the tool: what they name exists, what exists is named, and what they show was printed."""

import json
import re
import subprocess
import sys

import pytest

from harness.project.declared import load_recipes
from harness.report.declared import Report
from tests.projects import ROOT, environment

PAGES = {path.relative_to(ROOT).as_posix(): path for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]}
PAGES |= {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "docs").glob("*.md"))}
TEXT = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
FOREIGN = {"--constraint", "--junit-xml", "--co"}  # options of pip and of pytest itself


def between(page, start, end=None):
    """Part of a page: from one phrase to another, or to its end."""
    text = TEXT[page][TEXT[page].index(start) :]
    return text[: text.index(end)] if end else text


def fenced(page, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT[page], re.DOTALL | re.MULTILINE)


def printed(*command):
    """What a command prints, wide enough to fold nothing."""
    env = {**environment(), "COLUMNS": "250"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def options_in(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text))


@pytest.fixture(scope="module")
def session_options():
    text = printed("pytest", "--help")
    group = text[text.index("fine-tuning experiments") :]
    return set(re.findall(r"^\s+(--[a-z-]+)", group[: group.index("\n\n")], re.MULTILINE))


# ---- README -------------------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len(TEXT["README.md"].splitlines()) <= 200


def test_its_two_commands_are_targets_of_the_makefile():
    readme = TEXT["README.md"]
    assert readme.index("make demo") < readme.index("make test") < readme.index("## The road")
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)


def test_it_leads_to_every_page():
    assert {name for name in TEXT if f"]({name})" in TEXT["README.md"]} == set(TEXT) - {"README.md"}


# ---- what pages name --------------------------------------------------------------------------------------


def anchors(text):
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXT)
def test_every_link_leads_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXT[name]):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            path = (PAGES[name].parent / file).resolve() if file else PAGES[name]
            assert path.is_file(), target
            assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("name", TEXT)
def test_every_file_named_exists_or_is_made(name):
    made = {"recipes/hub.lock.json", "tests/session/"}
    for path in re.findall(r"`((?:harness|recipes|suites|reports|benchmarks|tests)/[\w./]*)`", TEXT[name]):
        assert (ROOT / path).exists() or path in made, path


@pytest.mark.parametrize("name", TEXT)
def test_every_option_of_a_shown_session_exists(name, session_options):
    shown = re.findall(r"(?<![-.\w/])pytest (?:suites/|--)[^`\n]*", TEXT[name])
    assert options_in(" ".join(shown)) <= session_options | FOREIGN


@pytest.mark.parametrize(
    "command", sorted({c for t in TEXT.values() for c in re.findall(r"[`(] *harness ([a-z]+)", t)})
)
def test_every_shown_command_exists_with_its_options(command):
    shown = [line for text in TEXT.values() for line in re.findall(rf"(?<![\w/])harness {command}\b([^`\n]*)", text)]
    text = printed("harness", command, "--help")
    within = re.findall(r"^│ ([a-z]+) ", text, re.MULTILINE)  # commands of its own
    text += "".join(printed("harness", command, word, "--help") for word in within)
    assert options_in(" ".join(shown)) <= options_in(text)


def test_every_option_is_in_its_table(session_options):
    table = between("docs/options.md", "## Options of a session", "## The `harness` command")
    assert session_options == options_in(table) - {"--co"}


def test_every_command_is_in_its_table():
    exist = set(re.findall(r"^│ ([a-z]+) ", printed("harness", "--help"), re.MULTILINE))
    table = between("docs/options.md", "## The `harness` command", "## Use a checkpoint")
    assert exist
    assert exist == set(re.findall(r"`harness ([a-z]+)", table))


def test_every_recipe_and_suite_is_named():
    page = TEXT["docs/experiments.md"]
    recipes = load_recipes(ROOT)
    suites = re.findall(r'Suite\(\s*name="(\w+)"', "".join(p.read_text() for p in (ROOT / "suites").glob("*.py")))
    assert len(recipes) > 9
    assert len(suites) > 9
    assert [name for name in [*recipes, *suites] if f"`{name}`" not in page] == []


def test_every_data_file_that_recipes_read_is_in_the_layout():
    declared = re.findall(r'"((?:[a-z]+)/[\w.]+\.(?:jsonl|txt|raw))"', (ROOT / "recipes" / "datasets.py").read_text())
    layout = between("docs/experiments.md", "expects this layout", "## Add an experiment")
    assert declared
    assert [path for path in dict.fromkeys(declared) if f"`{path}`" not in layout] == []


# ---- what pages show runs -----------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results file that has all tables and no rows, where a page expects it."""
    import duckdb

    from harness import warehouse

    with warehouse.connect(tmp_path / ".bench" / "results.duckdb"):
        pass
    monkeypatch.chdir(tmp_path)
    with duckdb.connect(".bench/results.duckdb", read_only=True) as connection:
        yield connection


def test_sql_runs_on_a_results_file(results):
    [text] = fenced("docs/results.md", "sql")
    statements = [one for one in text.split(";") if one.strip()]
    assert len(statements) >= 4
    for statement in statements:
        results.execute(statement)


def test_pandas_runs_on_a_results_file(results, capsys):
    [code] = [one for one in fenced("docs/results.md", "python") if "duckdb.connect" in one]
    exec(code, {})
    assert "Empty DataFrame" in capsys.readouterr().out


def test_the_shown_report_is_one_and_its_queries_run(results):
    [code] = fenced("docs/report.md", "python")
    names = {}
    exec(code, names)
    [report] = [value for value in names.values() if isinstance(value, Report)]
    assert len(report.queries) == 2
    for section in report.queries:
        results.execute(section.sql)


@pytest.mark.parametrize("page", ["README.md", "docs/experiments.md"])
def test_shown_recipes_and_suites_can_be_declared(page, monkeypatch):
    from harness import Recipe, Suite

    monkeypatch.syspath_prepend(str(ROOT))
    names = {}
    for code in fenced(page, "python"):
        exec(code, names)
    assert names["SHORT_FACTS"]["mini"].id == "short_facts-mini"
    assert {type(value) for value in names.values()} & {Recipe, Suite}


def test_every_section_of_the_report_is_in_its_table():
    from harness.report.declared import ALL

    named = re.findall(r"^\| `(\w+)` \|", TEXT["docs/report.md"], re.MULTILINE)
    assert named == [type(section).__name__ for section in ALL]


def test_the_workflow_is_yaml_whose_options_exist(session_options):
    yaml = pytest.importorskip("yaml")
    [text] = fenced("docs/continuous-integration.md", "yaml")
    jobs = yaml.safe_load(text)["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert options_in(" ".join(commands)) <= session_options | FOREIGN
    assert any(command.startswith("harness gate") for command in commands)


# ---- figures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXT)
def test_figures_are_filled_in(name):
    assert re.findall(r"@[A-Z_]+@", TEXT[name]) == []


def test_the_plans_are_what_the_command_prints(tmp_path):
    def rows(text):
        return [re.split(r" {2,}", line.strip()) for line in text.strip().splitlines()]

    whole, hours = fenced("docs/full-scale.md")
    assert rows(whole) == rows(printed("harness", "plan", "--scale", "full"))
    gpus = ["--gpu-name", "RTX 4090", "--gpus", "8", "--price", "0.50", "--store", str(tmp_path)]
    said = rows(printed("harness", "plan", "--scale", "full", *gpus))
    assert [row for row in rows(hours) if row not in said] == []


def test_figures_on_tone_are_those_of_its_validation():
    found = json.loads((ROOT / "harness" / "scoring" / "tone.json").read_text())["validation"]["left_out_sources"]
    overall, short = found["overall"], found["by_length"]["3-8 words"]
    page = TEXT["docs/tone.md"]
    assert f"On {overall['rows']:,} texts" in page
    for name, value in [
        ("AUC", overall["auc"]),
        ("accuracy", overall["accuracy"]),
        ("Brier score", overall["brier"]),
        ("calibration error", overall["calibration_error"]),
        ("AUC on texts of 3 to 8 words", short["auc"]),
    ]:
        assert f"| {name} | {value:.3f} |" in page


def test_figures_on_speed_are_those_of_the_benchmarks():
    measured = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    tables = re.findall(r"^\| what \| against.*?\n\n", TEXT["docs/speed.md"], re.DOTALL | re.MULTILINE)
    cells = [row.split("|")[3] for table in tables for row in table.strip().splitlines()[2:]]
    shown = [float(number) for cell in cells for number in re.findall(r"\d+\.\d+", cell)]
    known = {float(number) for number in re.findall(r"\d+\.\d+", measured)}
    assert len(shown) == 9 + 7
    for figure in shown:
        decimals = len(str(figure).split(".")[1])
        assert figure in known or figure in {round(number, decimals) for number in known}
    [warm] = re.findall(r"took (\d\.\d+) times an empty pytest session", TEXT["docs/speed.md"])
    assert f"| {warm} × |" in measured


def test_no_page_names_a_path_of_one_machine():
    for name, text in TEXT.items():
        assert not re.search(r"/(?:work|root|tmp|home)/", text), name


def test_the_projects_own_report_shows_everything_there_is():
    from harness.report.declared import DEFAULT
    from reports.report import REPORT

    assert [type(section) for section in REPORT.sections] == [type(section) for section in DEFAULT.sections]
