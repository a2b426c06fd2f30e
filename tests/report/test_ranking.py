"""The ranking: places as far as intervals tell subjects apart, in the direction in which a metric gets better."""

import math

from harness.report.load import load
from harness.report.ranking import level_line, rankings, unlike_line
from tests.report.forms import html_of, markdown_of, terminal_of
from tests.report_rows import insert_evaluation, insert_run, insert_subject


def measured(warehouse, suite, metric, **intervals):
    """A run in which subjects were measured, name -> (estimate, low, high)."""
    insert_run(warehouse)
    for name, figures in intervals.items():
        insert_subject(warehouse, f"{name}-mini")
        insert_evaluation(warehouse, f"{name}-mini", suite, {metric: figures}, [])
    return load(warehouse)


def places(content):
    return [[(one.place, one.subject) for one in ranking.placed] for ranking in rankings(content)]


def test_a_subject_stands_behind_those_whose_whole_interval_is_better(warehouse):
    content = measured(
        warehouse, "quiz", "accuracy", a=(0.9, 0.85, 0.95), b=(0.8, 0.7, 0.86), c=(0.5, 0.4, 0.6), d=(0.1, 0.0, 0.9)
    )
    # b and d overlap a; c lies below a and b, and not below d.
    assert places(content) == [[(1, "a-mini"), (1, "b-mini"), (1, "d-mini"), (3, "c-mini")]]


def test_less_is_better_where_it_is(warehouse):
    content = measured(warehouse, "text", "perplexity", a=(9.0, 8.5, 9.5), b=(7.0, 6.5, 7.5), c=(math.inf, None, None))
    assert places(content) == [[(1, "b-mini"), (2, "a-mini"), (3, "c-mini")]]
    assert rankings(content)[0].arrow == "↓"


def test_a_metric_of_ones_own_is_ranked_where_its_suite_says_which_is_better(warehouse):
    figures = {"a": (9.0, 8.5, 9.5), "b": (7.0, 6.5, 7.5), "c": (1.0, 0.5, 1.5)}
    assert rankings(measured(warehouse, "quiz", "typos", **figures)) == []
    warehouse.execute("""UPDATE runs SET better = '{"quiz": {"typos": "lower"}}'""")
    assert places(load(warehouse)) == [[(1, "c-mini"), (2, "b-mini"), (3, "a-mini")]]
    assert rankings(load(warehouse))[0].arrow == "↓"
    warehouse.execute("""UPDATE runs SET better = '{"quiz": {"typos": "higher"}, "tone": {}}'""")
    assert places(load(warehouse)) == [[(1, "a-mini"), (2, "b-mini"), (3, "c-mini")]]


def test_the_three_forms_show_which_is_better(warehouse, tmp_path):
    measured(warehouse, "quiz", "typos", a=(9.0, 8.5, 9.5))
    warehouse.execute("""UPDATE runs SET better = '{"quiz": {"typos": "lower"}}'""")
    content = load(warehouse)
    assert 'typos <span class="quiet" title="lower is better">↓</span>' in html_of(content, tmp_path)
    assert "typos ↓" in terminal_of(content)


def test_no_ranking_of_two_nor_of_what_is_better_in_no_direction_nor_of_no_number(warehouse):
    content = measured(warehouse, "tone", "words", a=(9.0, 8.5, 9.5), b=(7.0, 6.5, 7.5), c=(1.0, 0.5, 1.5))
    assert rankings(content) == []
    for name, estimate in (("a", 0.5), ("b", 0.6), ("c", math.nan)):
        insert_evaluation(warehouse, f"{name}-mini", "quiz", {"accuracy": (estimate, None, None)}, [])
    assert rankings(load(warehouse)) == []


def test_the_ranking_stands_on_the_page_and_in_the_comment(warehouse, tmp_path):
    content = measured(warehouse, "quiz", "accuracy", a=(0.5, 0.4, 0.6), b=(0.9, 0.8, 0.95), c=(0.1, 0.0, 0.2))
    assert "1. `b-mini` 0.900 2. `a-mini` 0.500 3. `c-mini` 0.100" in markdown_of(content, tmp_path)
    page = html_of(content, tmp_path)
    section = page[page.index('id="ranking"') :]
    assert section.index("b-mini") < section.index("a-mini") < section.index("c-mini")


def test_metrics_that_tell_nobody_apart_are_named_in_one_line_and_not_drawn(warehouse, tmp_path):
    content = measured(warehouse, "quiz", "accuracy", a=(0.5, 0.4, 0.6), b=(0.55, 0.5, 0.6), c=(0.5, 0.3, 0.7))
    assert level_line(rankings(content)) == "In accuracy no subject’s interval is wholly better than another’s."
    assert level_line(rankings(content)) in html_of(content, tmp_path)
    assert "### Ranking" not in markdown_of(content, tmp_path)


def test_only_what_was_asked_alike_is_ranked_and_the_others_are_named(warehouse, tmp_path):
    intervals = {
        name: (estimate, estimate - 0.1, estimate + 0.1) for name, estimate in zip("abcd", (0.2, 0.4, 0.6, 0.8))
    }
    measured(warehouse, "quiz", "accuracy", **intervals)
    warehouse.execute("UPDATE evaluations SET scale = 'full' WHERE subject = 'd-mini'")
    content = load(warehouse)
    assert [name for _, name in places(content)[0]] == ["c-mini", "b-mini", "a-mini"]
    assert unlike_line(content, "quiz") == (
        "Without a place: d-mini, which was asked at another scale, in part, or otherwise."
    )
    assert unlike_line(content, "quiz") in html_of(content, tmp_path)
    warehouse.execute("UPDATE evaluations SET scale = 'mini', spec = '{\"suite\": 2}' WHERE subject = 'd-mini'")
    assert "d-mini" in unlike_line(load(warehouse), "quiz")
