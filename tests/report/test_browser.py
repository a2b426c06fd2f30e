"""The page in a real browser, from a file and with the network cut: wide and narrow, light and dark."""

import itertools

import pytest

from harness import Chart, Report, Table
from harness.report.custom import queried
from harness.report.declared import Samples, Verdicts
from harness.report.load import load
from harness.report.page import write_html
from tests.report_rows import (
    build_long_warehouse,
    build_warehouse,
    empty_warehouse,
    insert_evaluation,
    insert_run,
    insert_subject,
)

WIDTHS = [1280, 400]
SCHEMES = ["light", "dark"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with build_warehouse(folder / "results.duckdb") as connection:
        write_html(load(connection), folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def long_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with build_long_warehouse(folder / "results.duckdb") as connection:
        write_html(load(connection), folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def own_report(tmp_path_factory):
    """A report with sections of one's own: a wide table, a chart of several series, one that cannot be drawn."""
    folder = tmp_path_factory.mktemp("report")
    wide = ", ".join(f"repeat('word ', {10 * i + 5}) AS column_{i}" for i in range(8))
    losses = "SELECT step, loss, fingerprint AS checkpoint FROM training_log WHERE loss IS NOT NULL"
    curves = {"x": "step:Q", "y": "loss:Q", "color": "checkpoint:N"}
    bars = {"y": "subject:N", "x": "estimate:Q"}
    scores = "SELECT subject || ' with a name that is rather long' AS subject, estimate FROM leaderboard"
    report = Report(
        "own",
        sections=[
            Table("A wide table", sql=f"SELECT {wide} FROM gates"),
            Chart("Curves", sql=losses, encode=curves, mark="line"),
            Chart("Bars", sql=scores, encode=bars, mark="bar"),
            Chart("Not to be drawn", sql=losses, encode={"x": "stp:Q"}),
            Verdicts(),
            Samples(),
        ],
    )
    with build_long_warehouse(folder / "results.duckdb") as connection:
        content = load(connection)
        found = {section.title: queried(connection, section, content) for section in report.queries}
        write_html(content, folder / "own.html", report, found)
    return folder / "own.html"


@pytest.fixture
def visit(chromium):
    """Opens a file without a network; what the page asked for and complained of is in .requests and .complaints."""
    contexts = []

    def visit(path, width=1280, scheme="light", address=""):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.requests, page.complaints = [], []

        def refuse(route):
            if route.request.url.startswith("file://"):
                return route.continue_()
            page.requests.append(route.request.url)
            return route.abort()

        context.route("**/*", refuse)
        page.on(
            "console",
            lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(path.as_uri() + address)
        ready(page)
        return page

    yield visit
    for context in contexts:
        context.close()


def ready(page):
    """Wait until the browser has unpacked its data, or has searched."""
    page.wait_for_selector("#samples:not([aria-busy])")


def search(page, text):
    page.fill("#search", text)
    ready(page)


def open_everything(page):
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")


def shown(page):
    return page.locator("#browser-list > li")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_page_needs_no_network_and_complains_of_nothing(visit, report, width, scheme):
    page = visit(report, width, scheme)
    open_everything(page)
    assert page.requests == []
    assert page.complaints == []
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("width", [*WIDTHS, 320])
def test_page_never_scrolls_sideways(visit, long_report, width):
    page = visit(long_report, width)
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_verdict_is_seen_without_scrolling(visit, report, width):
    verdict = visit(report, width).locator("h1")
    assert verdict.inner_text() == "3 claims hold, 1 fails, 1 cannot be decided; 1 was skipped."
    assert verdict.bounding_box()["y"] + verdict.bounding_box()["height"] < 450


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_keep_their_letters_readable(visit, long_report, width):
    page = visit(long_report, width)
    heights = page.locator("svg.chart text").evaluate_all(
        "texts => texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"
    )
    assert len(heights) > 20
    assert min(heights) >= 10


@pytest.mark.parametrize("width", WIDTHS)
def test_letters_of_a_chart_stay_within_it_and_labels_of_an_axis_apart(visit, long_report, width):
    page = visit(long_report, width)
    open_everything(page)
    texts = page.locator("svg.chart text").evaluate_all(
        """texts => texts.map((text) => {
          const { left, right, top } = text.getBoundingClientRect(), chart = text.closest("svg").getBoundingClientRect();
          return [text.textContent, left - chart.left, right - chart.left, chart.width, `${chart.left} ${top}`];
        })"""
    )
    lines: dict[str, list[tuple[float, float, str]]] = {}
    for text, left, right, wide, line in texts:
        assert left >= -1, text
        assert right <= wide + 1, text
        lines.setdefault(line, []).append((left, right, text))
    for line in lines.values():
        for (_, right, text), (left, _, following) in itertools.pairwise(sorted(line)):
            assert right < left, f"{text} touches {following}"


def test_dark_and_light_differ_in_page_and_charts(visit, report):
    def colours(scheme):
        page = visit(report, scheme=scheme)
        style = "(element) => { const s = getComputedStyle(element); return [s.backgroundColor, s.color, s.fill]; }"
        return page.locator("body").evaluate(style)[:2], page.locator("svg.chart text").first.evaluate(style)[2]

    (light_page, light_chart), (dark_page, dark_chart) = colours("light"), colours("dark")
    assert light_page == ["rgb(252, 251, 248)", "rgb(31, 35, 40)"]
    assert dark_page == ["rgb(22, 24, 27)", "rgb(232, 229, 222)"]
    assert light_chart != dark_chart


CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => [0, 1, 2].map((i) => linear(c[i] / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
  };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const seen = (element) => own(element) && element.getClientRects().length && !element.disabled;
  return [...document.querySelectorAll("body *")].filter(seen).map((e) => {
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e.closest("svg") ? style.fill : style.color)), light(behind(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.slice(0, 40)];
  }).sort((x, y) => x[0] - y[0])[0];
}"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_has_contrast_enough(visit, long_report, scheme):
    page = visit(long_report, scheme=scheme)
    open_everything(page)
    ratio, text = page.evaluate(CONTRASTS)
    assert ratio >= 4.5, f"{ratio:.2f}:1 for {text!r}"


def test_a_hostile_answer_runs_nothing(visit, report):
    page = visit(report)
    page.select_option("#suite", "first_look")
    page.select_option("#candidate", "base-mini")
    open_everything(page)
    assert "<script>window.hacked" in page.locator("#browser-list").inner_text()
    assert "⟨U+202E⟩⟨U+001B⟩[31m⟨U+0000⟩" in page.locator("#browser-list").inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    assert page.complaints == []


def test_the_first_claim_with_two_subjects_is_what_the_browser_opens_with(visit, report):
    page = visit(report)
    chosen = [page.locator(f"#{name}").input_value() for name in ("suite", "candidate", "baseline", "metric")]
    assert chosen == ["openbookqa", "wiki_only-mini", "untrained-mini", "acc"]


def test_samples_are_filtered_by_outcome_lower_winning_where_lower_is_better(visit, report):
    page = visit(report)
    page.select_option("#suite", "tone")
    assert (
        "45 of 45 samples. On conversational, where lower counts as won" in page.locator("#browser-status").inner_text()
    )
    counts = {}
    for outcome in ("won", "lost", "tied"):
        page.select_option("#outcome", outcome)
        counts[outcome] = int(page.locator("#browser-status").inner_text().split(" of ")[0])
        assert all(text.startswith(outcome) for text in page.locator(".scores").all_inner_texts())
    assert sum(counts.values()) == 45
    page.select_option("#outcome", "won")
    scores = page.locator(".scores").first.inner_text().split("conversational ")[1].split(" : ")
    assert float(scores[0]) < float(scores[1])


def test_search_finds_prompts_and_answers(visit, report):
    page = visit(report)
    page.select_option("#suite", "first_look")
    search(page, "amazon")
    assert shown(page).count() == 1
    assert page.locator("#browser-status").inner_text().startswith("1 of 20 samples.")
    search(page, "no such words")
    assert shown(page).count() == 0


def test_words_that_differ_are_marked(visit, report):
    page = visit(report)
    page.select_option("#suite", "first_look_improved")
    page.select_option("#candidate", "wiki_only-mini")
    page.select_option("#baseline", "with_kilt-mini")
    search(page, "transistor")
    first, second = page.locator("#browser-list .sides > div").all()
    assert first.locator("mark").all_inner_texts() == [
        "the subject of this article. It is documented in several sources from the 19th century."
    ]
    assert "Oh, I love that question!" in second.locator("mark").all_inner_texts()
    assert first.locator("p.text").inner_text().endswith("from the 19th century. In short.")


def test_twenty_are_shown_at_a_time(visit, report):
    page = visit(report)
    assert shown(page).count() == 20
    assert page.locator("#previous").is_disabled()
    page.click("#next")
    assert "Question 20:" in shown(page).first.inner_text()
    page.click("#next")
    assert page.locator("#next").is_disabled()


def test_keys_walk_through_the_samples_and_their_pages(visit, report):
    page = visit(report)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator(".sample.current").get_attribute("data-index") == "1"
    page.keyboard.press("k")
    assert "Question 0:" in page.locator(".sample.current").inner_text()
    for _ in range(20):
        page.keyboard.press("j")
    assert "Question 20:" in page.locator(".sample.current").inner_text()
    page.keyboard.press("k")
    assert "Question 19:" in page.locator(".sample.current").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.locator("#search").input_value() == "jk"


def test_arrows_turn_the_pages_where_the_samples_are_seen(visit, report):
    page = visit(report)
    page.keyboard.press("ArrowRight")
    assert "Question 0:" in shown(page).first.inner_text()
    page.locator("#browser-status").scroll_into_view_if_needed()
    page.keyboard.press("ArrowRight")
    assert "Question 20:" in shown(page).first.inner_text()
    assert page.locator("#page").inner_text() == "Page 2 of 3"
    page.keyboard.press("ArrowLeft")
    assert "Question 0:" in shown(page).first.inner_text()
    page.focus("#search")
    page.keyboard.press("ArrowRight")
    assert "Question 0:" in shown(page).first.inner_text()


def test_changed_verdicts_are_right_on_one_side_and_wrong_on_the_other(visit, report):
    page = visit(report)
    page.select_option("#metric", "acc_norm")
    page.select_option("#outcome", "changed")
    scores = [text.split("acc_norm ")[1].split(" : ") for text in page.locator(".scores").all_inner_texts()]
    assert len(scores) == 20
    assert all({a, b} == {"0", "1"} for a, b in scores)
    page.select_option("#suite", "tone")
    scores = [text.split("conversational ")[1].split(" : ") for text in page.locator(".scores").all_inner_texts()]
    assert all((float(a) - 0.5) * (float(b) - 0.5) < 0 for a, b in scores)
    assert "the verdict changed: one side’s score lies above one half" in page.locator("#browser-status").inner_text()


def test_the_address_names_the_view_and_brings_it_back(visit, report):
    page = visit(report)
    assert page.evaluate("location.hash") == ""
    page.select_option("#suite", "tone")
    page.select_option("#candidate", "base-mini")
    page.select_option("#baseline", "wiki_only-mini")
    page.select_option("#outcome", "lost")
    search(page, "tone-1")
    status = page.locator("#browser-status").inner_text()
    again = visit(report, address=page.evaluate("location.hash"))
    names = ("suite", "candidate", "baseline", "metric", "outcome", "search")
    chosen = [again.locator(f"#{name}").input_value() for name in names]
    assert chosen == ["tone", "base-mini", "wiki_only-mini", "conversational", "lost", "tone-1"]
    assert again.locator("#browser-status").inner_text() == status


def test_an_address_that_names_nothing_known_still_shows_samples(visit, report):
    page = visit(report, address="#samples?suite=%3Cscript%3E&candidate=nobody&show=odd&metric=x")
    assert shown(page).count() == 20
    assert page.complaints == []


def test_a_loud_sample_opens_in_the_browser_beside_the_baselines_answer(visit, long_report):
    page = visit(long_report)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("link", name="tone-39").click()
    page.wait_for_selector("#browser-list > li:only-child")
    assert page.locator("#search").input_value() == "tone-39"
    assert "wiki_only-mini at baseline main" in shown(page).first.inner_text()
    assert "Well!" in shown(page).first.inner_text()
    assert page.locator("#samples").bounding_box()["y"] < 900
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("link", name="tone-39").click()
    assert page.locator("#samples").bounding_box()["y"] < 900


def test_a_browser_that_cannot_unpack_says_so(chromium, report):
    page = chromium.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(report.as_uri())
    ready(page)
    assert "it lacks DecompressionStream" in page.locator("#browser-status").inner_text()
    assert not page.locator("#browser-controls").is_visible()
    page.close()


def test_texts_that_scroll_can_be_reached_and_others_are_no_stop(visit, report):
    page = visit(report)
    page.select_option("#suite", "first_look")
    page.select_option("#candidate", "base-mini")
    search(page, "isotope")
    assert page.locator("#browser-list .text[tabindex]").count() == 0
    search(page, "Faust")
    assert shown(page).count() == 1
    search(page, "xxxx")
    assert page.locator("#browser-list .text[tabindex='0']").count() == 1


def test_every_control_has_a_name_and_shows_its_focus(visit, report):
    page = visit(report)
    for name in ("Suite", "Candidate", "Baseline", "Metric", "Show", "Search"):
        assert page.get_by_label(name, exact=True).count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_one_subject_without_targets_or_scores_can_be_browsed(visit, tmp_path):
    with empty_warehouse(tmp_path / "results.duckdb") as connection:
        insert_run(connection)
        insert_subject(connection, "a-mini")
        insert_evaluation(connection, "a-mini", "tone", {}, [{"id": "one"}, {"id": "two", "completion": "  "}])
        write_html(load(connection), tmp_path / "report.html")
    page = visit(tmp_path / "report.html", 400)
    assert page.complaints == []
    assert page.locator("#baseline").input_value() == ""
    assert "no answer stored" in shown(page).nth(0).inner_text()
    assert "(empty answer)" in shown(page).nth(1).inner_text()


def test_a_run_without_samples_says_so(visit, tmp_path):
    with empty_warehouse(tmp_path / "results.duckdb") as connection:
        insert_run(connection)
        write_html(load(connection), tmp_path / "report.html")
    page = visit(tmp_path / "report.html", 400)
    assert page.locator("#browser-status").inner_text() == "No samples were stored in what is reported on."
    assert not page.locator("#browser-controls").is_visible()
    assert page.complaints == []


# ---- sections of one's own ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [*WIDTHS, 320])
def test_sections_of_ones_own_never_scroll_the_page_sideways_and_complain_of_nothing(visit, own_report, width):
    page = visit(own_report, width)
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (page.requests, page.complaints) == ([], [])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_sections_of_ones_own_have_contrast_enough(visit, own_report, scheme):
    page = visit(own_report, scheme=scheme)
    open_everything(page)
    ratio, text = page.evaluate(CONTRASTS)
    assert ratio >= 4.5, f"{ratio:.2f}:1 for {text!r}"


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_of_ones_own_keep_their_letters_readable(visit, own_report, width):
    texts = visit(own_report, width).locator(".own svg.chart text")
    heights = texts.evaluate_all(
        """texts => texts.map((text) => {
          const { a, b } = text.getScreenCTM();  // titles beside an axis are turned
          return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
        })"""
    )
    assert len(heights) > 20
    assert min(heights) >= 10
