"""Sections that ask the results file themselves: their rows and charts, and what becomes of wrong or hostile ones."""

import re

import pytest

from harness import Chart, Report, Table
from harness.report.custom import MOST_CHARACTERS, MOST_ROWS, queried
from harness.report.declared import MARKS, Verdicts
from harness.report.load import load
from harness.warehouse import combined, connect
from tests.report.forms import Page, html_of, markdown_of, terminal_of
from tests.report_rows import (
    HOSTILE,
    PAST,
    RUN,
    SUBJECTS,
    build_long_warehouse,
    build_warehouse,
    insert_run,
    insert_subject,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The open results file of one run; no test changes it."""
    with build_warehouse(tmp_path_factory.mktemp("results") / "results.duckdb") as connection:
        yield connection


@pytest.fixture(scope="module")
def content(results):
    return load(results)


def rows_of(connection, sql, content=None):
    """What the query of a table gives."""
    found = queried(connection, Table("Own", sql=sql), content or load(connection))
    assert found.problem == ""
    return [list(row) for row in found.rows]


class Shown:
    """A report of sections of one's own, in its three forms."""

    def __init__(self, results, content, folder, *sections):
        self.report = Report("own", sections=[*sections, Verdicts()])
        self.found = {section.title: queried(results, section, content) for section in self.report.queries}
        self.page = html_of(content, folder, self.report, self.found)
        self.parsed = Page(self.page)
        self.comment = markdown_of(content, folder, self.report, self.found)
        self.terminal = terminal_of(content, 120, self.report, self.found)

    @property
    def svg(self):
        """The first drawing of a section of one's own."""
        figure = self.page[self.page.index('class="own"') :].split("</figure>")[0]
        return re.search(r"<svg.*?</svg>", figure, re.DOTALL)[0]


@pytest.fixture
def shown(results, content, tmp_path):
    return lambda *sections: Shown(results, content, tmp_path, *sections)


# ---- tables -------------------------------------------------------------------------------------------


def test_a_tables_rows_stand_in_all_three_forms(shown):
    sql = "SELECT suite, metric, estimate, n, NULL AS note, n > 50 AS many FROM gates WHERE verdict = 'fail'"
    own = shown(Table("What fails", sql=sql))
    assert "What fails suite metric estimate n note many openbookqa acc −0.092 60 – yes" in own.parsed.text
    assert 'href="#own-1">What fails</a>' in own.page
    assert (
        "### What fails\n\n| suite | metric | estimate | n | note | many |\n|---|---|---|---|---|---|\n" in own.comment
    )
    assert "| openbookqa | acc | −0.092 | 60 | – | yes |" in own.comment
    assert "What fails\nsuite" in own.terminal
    assert ["openbookqa", "acc", "−0.092", "60", "–", "yes"] in [line.split() for line in own.terminal.splitlines()]


def test_sections_stand_on_the_page_in_the_order_declared(results, content, tmp_path):
    first, second = Table("First", sql="SELECT 1 AS a"), Table("Second", sql="SELECT 2 AS b")
    report = Report("own", sections=[second, Verdicts(), first])
    found = {section.title: queried(results, section, content) for section in report.queries}
    parsed = Page(html_of(content, tmp_path, report, found))
    headings = [one for one in parsed.ids if one.endswith("-heading")]
    assert headings == ["own-1-heading", "claims-heading", "own-3-heading", "run-heading"]


def test_a_query_without_rows_says_so(shown):
    own = shown(Table("Nothing", sql="SELECT * FROM gates WHERE false"))
    assert "Nothing The query gives no rows." in own.parsed.text
    assert "### Nothing\n\nThe query gives no rows." in own.comment
    assert "Nothing" not in own.terminal


def test_values_of_every_kind_can_be_shown(shown):
    sql = (
        "SELECT DATE '2026-03-01' AS day, 1.50::DECIMAL(5, 2) AS price, [1, 2] AS list, {'a': 'b'} AS object, "
        "'nan'::DOUBLE AS odd, 'x'::BLOB AS bytes, INTERVAL 1 DAY AS span, 12345 AS big"
    )
    row = "2026-03-01 1.500 [1, 2] {'a': 'b'} not a number b'x' 1 day, 0:00:00 12,345"
    assert row in shown(Table("Kinds", sql=sql)).parsed.text


def test_long_cells_are_cut_in_all_three_forms(shown):
    sql = "SELECT repeat('zebra ', 1000) AS text, [repeat('wide ', 1000)] AS list, repeat('x', 400) AS fits"
    own = shown(Table("Long", sql=sql))
    text, words, fits = own.found["Long"].rows[0]
    assert text == ("zebra " * 1000)[:MOST_CHARACTERS] + "…"
    assert words == str(["wide " * 1000])[:MOST_CHARACTERS] + "…"
    assert fits == "x" * 400
    for told in (own.parsed.text, own.comment):
        assert told.count("zebra") == 66
    assert 50 < own.terminal.count("zebra") <= 66, "some are folded"


def test_rows_beyond_five_hundred_are_counted_and_not_shown(shown):
    own = shown(Table("Many", sql="SELECT range AS number FROM range(703)"))
    assert len(own.found["Many"].rows) == MOST_ROWS == 500
    assert "203 further rows not shown." in own.parsed.text
    assert own.page.count('<th scope="row">') >= 500
    assert "| 29 |\n\n673 further rows on the page." in own.comment
    assert "11" in own.terminal.split()
    assert "12" not in own.terminal.split()


def test_five_hundred_rows_are_shown_without_a_word(shown):
    own = shown(Table("Enough", sql="SELECT range AS number FROM range(500)"))
    assert "further row" not in own.page


# ---- what a query may name ----------------------------------------------------------------------------


def test_a_query_may_name_the_run_the_runs_and_the_subjects(results, content):
    assert rows_of(results, "SELECT $run, $runs, $subjects", content) == [[RUN, [RUN], SUBJECTS]]
    assert rows_of(results, "SELECT count(*) FROM gates WHERE run_id = $run", content) == [[6]]
    assert rows_of(results, "SELECT count(*) FROM subjects WHERE subject IN $subjects", content) == [[4]]
    assert rows_of(results, "SELECT count(*) FROM gates WHERE list_contains($runs, run_id)", content) == [[6]]


def test_a_report_over_several_runs_names_them_all_the_newest_first(tmp_path):
    with build_long_warehouse(tmp_path / "results.duckdb") as connection:
        content = load(connection, recipes=["wiki_only"])
        assert rows_of(connection, "SELECT $run, $runs, $subjects", content) == [
            [RUN, [RUN, *reversed(PAST)], ["wiki_only-mini", "wiki_only-mini-seed1"]]
        ]


def test_what_only_looks_like_a_parameter_is_none(results, content):
    sql = "SELECT 'costs $run, or $subjects' AS words -- of $runs\n"
    assert rows_of(results, sql, content) == [["costs $run, or $subjects"]]


# ---- what goes wrong ----------------------------------------------------------------------------------

ONE_SELECT = "its SQL must be one SELECT; a report changes nothing"


def everything(connection):
    """All rows of all tables."""
    tables = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
    return {table: sorted(map(str, connection.execute(f"FROM {table}").fetchall())) for table in tables}


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT nope FROM gates", 'Binder Error: Referenced column "nope" not found'),
        ("SELEC 1", "Parser Error: syntax error"),
        ("SELECT * FROM no_such_table", "Catalog Error: Table with name no_such_table does not exist!"),
        ("SELECT 1::INTEGER // 0", "Division by zero"),
        ("SELECT $subject", "Values were not provided for the following parameters: subject"),
        ("DELETE FROM gates", ONE_SELECT),
        ("DELETE FROM gates RETURNING *", ONE_SELECT),
        ("UPDATE gates SET verdict = 'pass'", ONE_SELECT),
        ("INSERT INTO warehouse VALUES (9)", ONE_SELECT),
        ("DROP TABLE gates", ONE_SELECT),
        ("CREATE TABLE mine AS SELECT 1", ONE_SELECT),
        ("SET threads = 1", ONE_SELECT),
        ("SELECT 1; SELECT 2", ONE_SELECT),
        ("SELECT 1; DELETE FROM gates", ONE_SELECT),
        ("-- nothing", ONE_SELECT),
        (
            "WITH gone AS (DELETE FROM gates RETURNING *) SELECT * FROM gone",
            "transaction is launched in read-only mode",
        ),
        ("WITH more AS (INSERT INTO warehouse VALUES (9) RETURNING *) FROM more", "launched in read-only mode"),
    ],
)
def test_what_is_wrong_with_a_query_is_shown_in_its_place_and_nothing_is_changed(results, shown, sql, problem):
    before = everything(results)
    own = shown(Table("Odd one", sql=sql), Table("Sound one", sql="SELECT 'still here' AS word"))
    found = own.found["Odd one"]
    assert found.problem.startswith("Table 'Odd one': ")
    assert problem in found.problem
    assert "\n" not in found.problem
    assert (found.rows, found.left_out) == ((), 0)
    assert f"Odd one {' '.join(found.problem.split())} Sound one word still here" in own.parsed.text
    assert "### Odd one\n\nTable 'Odd one': " in own.comment
    assert "| still here |" in own.comment
    assert "Odd one" not in own.terminal
    assert "still here" in own.terminal
    assert everything(results) == before


def test_after_a_query_that_failed_the_results_can_be_written_again(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        content = load(connection)
        for sql in ("SELECT nope", "DELETE FROM gates", "SELECT 1"):
            queried(connection, Table("Own", sql=sql), content)
        connection.execute("DELETE FROM gates")
        assert connection.execute("SELECT count(*) FROM gates").fetchone() == (0,)


def test_results_that_are_only_read_and_several_files_can_be_asked(tmp_path):
    for name in ("laptop", "server"):
        with connect(tmp_path / f"{name}.duckdb") as connection:
            insert_run(connection, f"20260301T000000-{name}")
            insert_subject(connection, f"{name}-mini", f"20260301T000000-{name}")
    files = [tmp_path / "laptop.duckdb", tmp_path / "server.duckdb"]
    sql = "SELECT subject FROM subjects ORDER BY subject"
    with connect(files[0], read_only=True) as connection:
        assert rows_of(connection, sql) == [["laptop-mini"]]
    with combined(files) as connection:
        assert rows_of(connection, sql) == [["laptop-mini"], ["server-mini"]]


# ---- charts -------------------------------------------------------------------------------------------

LOSSES = "SELECT step, loss, fingerprint AS checkpoint FROM training_log WHERE loss IS NOT NULL"


@pytest.mark.parametrize("mark", MARKS)
def test_a_chart_is_drawn_as_svg_with_its_numbers_below(shown, mark):
    own = shown(Chart("Loss", sql=LOSSES, encode={"x": "step:Q", "y": "mean(loss):Q"}, mark=mark))
    assert own.svg.startswith('<svg class="chart"')
    assert "<path" in own.svg
    assert ">step</text>" in own.svg
    assert 'aria-hidden="true"' in own.svg
    assert '<figure class="own" aria-label="Loss">' in own.page
    assert "Numbers step loss checkpoint 0 5.600" in own.parsed.text
    assert "| step | loss | checkpoint |" in own.comment
    assert "Loss\nstep" in own.terminal


def test_series_of_a_chart_have_the_pages_own_colours_and_a_legend_that_can_be_read(shown):
    own = shown(Chart("Loss", sql=LOSSES, encode={"x": "step:Q", "y": "loss:Q", "color": "checkpoint:N"}, mark="line"))
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', own.svg))
    assert len(used) >= 5
    assert [colour for colour in used if f'[fill="{colour}"]' not in own.page and colour != "#dedad2"] == []
    assert set(re.findall(r'<text[^>]*font-size="(\d+)px"', own.svg)) == {"12"}
    assert ">checkpoint</text>" in own.svg


def test_long_names_leave_a_chart_its_width(shown):
    sql = "SELECT repeat('a long name ', 20) || range AS name, range AS value FROM range(3)"
    own = shown(Chart("Names", sql=sql, encode={"y": "name:N", "x": "value:Q"}, mark="bar"))
    assert float(re.search(r'viewBox="0 0 ([\d.]+) ', own.svg)[1]) <= 340


def test_moments_decimals_and_numbers_that_are_none_can_be_drawn(shown):
    sql = (
        "SELECT TIMESTAMP '2026-03-01 12:00:00' + to_days(range::INT) AS day, (range * 1.5)::DECIMAL(9, 2) AS cost, "
        "CASE WHEN range = 1 THEN 'nan'::DOUBLE WHEN range = 2 THEN 'inf'::DOUBLE ELSE range END AS odd FROM range(5)"
    )
    encode = {"x": "day:T", "y": "cost:Q", "size": "odd:Q"}
    own = shown(Chart("Over time", sql=sql, encode=encode))
    assert "<path" in own.svg
    assert "not a number" in own.parsed.text
    assert "Failed" not in own.page


@pytest.mark.parametrize(
    ("encode", "problem"),
    [
        ({"x": "stp:Q", "y": "loss:Q"}, "the query has no column 'stp' (it has: step, loss, checkpoint)."),
        ({"x": "mean(los):Q"}, "the query has no column 'los' (it has: step, loss, checkpoint)."),
        ({"z": "step:Q"}, "unexpected keyword argument 'z'"),
        ({"x": "step"}, "step encoding field is specified without a type"),
    ],
)
def test_a_chart_that_cannot_be_drawn_says_why_above_its_rows(shown, encode, problem):
    own = shown(Chart("Loss", sql=LOSSES, encode=encode))
    assert "<svg" not in own.page.split('id="claims"')[0]
    assert "Loss Chart 'Loss': " in own.parsed.text
    assert problem in own.parsed.text
    assert "5.600" in own.parsed.text, "the rows that it would have been drawn from"
    assert "| step | loss | checkpoint |" in own.comment


def test_a_chart_may_count_its_rows_without_naming_a_column(shown):
    own = shown(
        Chart("Verdicts", sql="SELECT verdict FROM gates", encode={"x": "count():Q", "y": "verdict:N"}, mark="bar")
    )
    assert ">inconclusive</text>" in own.svg


def test_a_chart_of_more_than_five_hundred_rows_says_how_many_it_leaves_out(shown):
    own = shown(Chart("Many", sql="SELECT range AS x FROM range(501)", encode={"x": "x:Q"}))
    assert "Drawn from the first 500 rows; 1 further row is not." in own.parsed.text
    assert "<path" in own.svg


def test_a_chart_without_rows_or_with_a_wrong_query_is_no_drawing(shown):
    encode = {"x": "step:Q"}
    own = shown(
        Chart("Empty", sql=f"{LOSSES} AND false", encode=encode), Chart("Wrong", sql="DELETE FROM gates", encode=encode)
    )
    assert "Empty The query gives no rows. Wrong Chart 'Wrong': its SQL must be one SELECT" in own.parsed.text
    assert "own" not in [attributes.get("class") for _, attributes in own.parsed.tags]


# ---- hostile texts ------------------------------------------------------------------------------------

TITLE = "<img src=x onerror=alert(1)> | `code` **bold** @all \u202e"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def test_titles_cells_and_names_of_columns_become_no_markup_on_the_page(shown):
    sql = f'SELECT {quoted(HOSTILE)} AS "<b onclick=alert(1)>name", {quoted(TITLE)} AS other'
    own = shown(Table(TITLE, sql=sql), Table("</script><script>x", sql=f"SELECT {quoted(TITLE)} FROM nowhere"))
    tags = [tag for tag, _ in own.parsed.tags]
    assert not {"img", "script", "b onclick"} & set(tags)
    assert not [name for _, attributes in own.parsed.tags for name in attributes if name.startswith("on")]
    assert " ".join(HOSTILE.split()) in own.parsed.text
    assert "<img src=x onerror=alert(1)> | `code` **bold** @all ⟨U+202E⟩" in own.parsed.text
    assert "<b onclick=alert(1)>name" in own.parsed.text
    assert own.parsed.misnested == []
    assert len(own.parsed.ids) == len(set(own.parsed.ids))


def test_titles_cells_and_names_of_columns_act_on_nothing_in_the_comment(shown):
    sql = f'SELECT {quoted(HOSTILE)} AS "<b>|name", {quoted(TITLE)} AS other'
    own = shown(Table(TITLE, sql=sql), Table("Wrong | <i>", sql="SELECT 1 FROM '<img>|x'"))
    section = own.comment.split("### ")[1]
    assert not set("<>`*@") & set(section)
    heading, _, names, rule, row = section.strip().split("\n")
    assert [line.count("|") for line in (heading, names, rule, row)] == [0, 3, 3, 3]
    assert "&#60;img src=x onerror=alert(1)&#62; &#124; &#96;code&#96;" in heading
    wrong = own.comment.split("### ")[2]
    assert wrong.startswith("Wrong &#124; &#60;i&#62;\n\nTable 'Wrong &#124; &#60;i&#62;': ")
    assert "<" not in wrong.split("|")[0]


def test_hostile_names_in_a_chart_stay_letters(shown):
    sql = f"SELECT {quoted(HOSTILE)} AS name, 1 AS value UNION ALL SELECT {quoted(TITLE)}, 2"
    own = shown(Chart(TITLE, sql=sql, encode={"y": "name:N", "x": "value:Q", "color": "name:N"}, mark="bar"))
    assert "&lt;script&gt;" in own.svg
    assert not {"img", "script", "image", "a"} & {tag for tag, _ in Page(own.svg).tags}
    assert not [name for _, attributes in own.parsed.tags for name in attributes if name.startswith("on")]
    assert own.parsed.misnested == []


def test_a_terminal_is_passed_no_control_characters(shown):
    own = shown(Table("Odd \x1b[2J", sql="SELECT chr(27) || '[31mred' AS \"a[bold]b\", '[red]x[/]' AS c"))
    assert "\x1b" not in own.terminal
    assert "⟨U+001B⟩[31mred" in own.terminal
    assert "[red]x[/]" in own.terminal
    assert "a[bold]b" in own.terminal
