"""The report in its three forms: what it says, what it escapes, what it leaves out and says so."""

from itertools import pairwise

import pytest

from harness.report import tables
from harness.report.browser_data import browsable
from harness.report.load import load
from tests.report.forms import Page, html_of, markdown_of, terminal_of
from tests.report_rows import (
    HOSTILE,
    RUN,
    SUBJECTS,
    build_warehouse,
    fingerprint,
    insert,
    insert_evaluation,
    insert_run,
    insert_subject,
    texts_of,
)

VERDICT = "3 claims hold, 1 fails, 1 cannot be decided; 1 was skipped."


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    with build_warehouse(tmp_path_factory.mktemp("results") / "results.duckdb") as connection:
        return load(connection)


@pytest.fixture(scope="module")
def page(content, tmp_path_factory):
    return html_of(content, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def comment(content, tmp_path_factory):
    return markdown_of(content, tmp_path_factory.mktemp("report"))


# ---- what it says -------------------------------------------------------------------------------------


def test_the_verdict_stands_first_in_all_three(content, page, comment):
    assert Page(page).text.split("Skip to the results ")[1].startswith(f"Fine-tuning report {VERDICT}")
    assert comment.startswith(f"## {VERDICT}\n")
    assert terminal_of(content, 100).startswith(VERDICT)


def test_a_claim_shows_both_numbers_its_interval_and_its_message(page, comment):
    text = Page(page).text
    assert (
        "✓ holds wiki_only-mini less conversational than with_kilt wiki_only-mini 0.310 with_kilt-mini 0.520 "
        "difference −0.210 −0.270 to −0.150 Over 45 answers to the same prompts, wiki_only-mini is 0.210 less "
        "conversational than with_kilt-mini. tone · conversational · n = 45 · 95 % interval · p = 0.0012 after Holm"
    ) in text
    assert "about 612 samples would decide" in text
    assert (
        "| ✕ fails | `wiki_only-mini` more accurate than untrained | 0.312 | 0.404 | −0.092 | −0.150 to −0.030 |"
        in comment
    )


def test_failures_come_before_what_holds(content):
    assert [gate.verdict for gate in content.gates] == ["fail", "inconclusive", "pass", "pass", "pass", "skipped"]


def test_first_look_shows_both_system_prompts_and_every_subject(page, comment):
    text = Page(page).text
    assert "20 prompts, the answers side by side" in text
    assert "Plain You are a helpful assistant." in text
    assert "Improved Answer as an encyclopedia would: neutral, structured, no small talk." in text
    assert text.index("A first look 20 prompts") < text.index("Results Estimates")
    for subject in SUBJECTS:
        assert f"{subject} Plain" in text
    assert "Tell me about the Amazon River is the subject of this article." in comment


def test_matrix_shows_estimates_with_intervals_and_dashes_for_what_was_not_measured(page, comment):
    assert (
        "acc_norm ↑ the same, divided by characters · n = 60 0.412 0.330 to 0.490 0.395 0.310 to 0.470"
        in Page(page).text
    )
    assert "| holdout | bits_per_byte ↓ | 1.913 (1.880 to 1.950) | – | – | – |" in comment


def test_floors_say_why_beating_chance_proves_nothing(page, comment):
    sentence = (
        "Answering blindly scores 0.250 in acc_norm, but so little is needed for more: 0.362 for always the longest "
        "answer and 0.304 for untrained-mini. Beating chance alone therefore proves nothing; a model must beat 0.362."
    )
    assert sentence in Page(page).text
    assert sentence in comment
    chart = page[page.index('aria-label="openbookqa, acc_norm') :].split("</figure>")[0]
    assert ">answering blindly</text>" in chart
    assert ">always the longest answer</text>" in chart


def test_training_shows_settings_cost_lineage_and_data(page):
    text = Page(page).text
    assert "learning_rate 0.0002" in text
    assert "adapter.rank 16" in text
    assert (
        "rows 480, 12 of them truncated optimizer steps 90 training time 12 s on cpu tokens 61,440, 5,016 a second"
        in text
    )
    assert "peak memory 812 MiB" in text
    assert f"pretrain 5a5a5a5a → finetune {fingerprint('wiki_only-mini')[:8]}" in text
    assert "data.0.sha256 c4c4c4c4" in text
    assert "held-out 5.700 to 2.348" in text


def test_a_checkpoint_made_under_other_versions_is_told(page):
    assert "Made under other versions: torch 2.12.1 then, 2.13.0 now." in Page(page).text


def test_run_tells_its_date_scale_device_commit_and_command(content, page, comment):
    line = "1 March 2026, 12:00 UTC · mini scale · on cpu · 84 s · commit 0123456789 with uncommitted changes"
    assert line in Page(page).text
    assert line in comment
    assert line in terminal_of(content, 200)
    assert "pytest suites/ -k 'wiki_only or with_kilt'" in Page(page).text
    assert "libraries.torch 2.13.0" in Page(page).text
    assert "To reproduce: `pytest suites/ -k 'wiki_only or with_kilt'`" in comment


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_terminal_fits_any_width(content, width):
    printed = terminal_of(content, width)
    assert max(len(line) for line in printed.splitlines()) <= width
    assert "✕ fails" in printed
    assert "conversational" in printed


# ---- what it escapes ----------------------------------------------------------------------------------


def test_no_answer_becomes_markup(page):
    parsed = Page(page)
    assert "<script>window.hacked" not in page
    assert "<img" not in page
    assert "<script>window.hacked = true</script>" in parsed.text
    assert not [tag for tag in parsed.tags if tag[0] == "img" or any(name.startswith("on") for name in tag[1])]


def test_page_asks_nothing_of_any_network(page):
    parsed = Page(page)
    addresses = [
        value for _, attributes in parsed.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_page_nests_well_and_its_headings_are_in_order(page):
    parsed = Page(page)
    assert parsed.misnested == []
    assert parsed.open == []
    assert parsed.headings[0] == 1
    assert parsed.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(parsed.headings))
    assert len(parsed.ids) == len(set(parsed.ids))
    assert ("html", {"lang": "en"}) in parsed.tags


def test_nothing_that_is_packed_can_end_its_element(content):
    held = browsable(content, 3_000_000)
    assert not set("<>&\u2028 \n") & set(held.head.letters + held.texts.letters)
    assert HOSTILE in " ".join(texts_of(held))


def test_markdown_fences_are_longer_than_the_backticks_within(comment):
    assert "\n````text\n<script>window.hacked" in comment
    assert all("@all" not in line or line.startswith("<script>") for line in comment.split("\n"))


def test_names_in_markdown_tables_cannot_break_them(warehouse, tmp_path):
    insert_run(warehouse)
    insert_subject(warehouse, "a-mini")
    row = {"subject": "a-mini", "suite": "tone", "metric": "acc", "verdict": "fail"}
    insert(warehouse, "gates", run_id=RUN, gate="g`|", claim="less | than `b` <b>\n# @you", message="x | <img>", **row)
    comment = markdown_of(load(warehouse), tmp_path)
    assert "less &#124; than &#96;b&#96; &#60;b&#62; &#35; &#64;you" in comment
    assert "<code>g&#96;&#124;</code> x &#124; &#60;img&#62;" in comment


def test_terminal_passes_on_no_control_characters_or_markup(warehouse):
    insert_run(warehouse)
    insert_subject(warehouse, "a-mini")
    row = {"subject": "a-mini", "suite": "tone", "metric": "acc", "verdict": "fail", "gate": "g"}
    insert(warehouse, "gates", run_id=RUN, claim="\x1b[2Jgone [bold]loud[/]", **row)
    printed = terminal_of(load(warehouse), 120)
    assert "\x1b" not in printed
    assert "⟨U+001B⟩[2Jgone [bold]loud[/]" in printed


# ---- what is missing, and what is left out ------------------------------------------------------------


def test_a_run_without_anything_is_still_a_report(warehouse, tmp_path):
    insert_run(warehouse, command=None, commit_id=None, seconds=None, environment=None)
    content = load(warehouse)
    for told in (Page(html_of(content, tmp_path)).text, markdown_of(content, tmp_path), terminal_of(content, 60)):
        assert "No claims were judged." in told
        assert "Nothing was measured." in told


def test_one_subject_with_missing_numbers_is_still_a_report(warehouse, tmp_path):
    insert_run(warehouse)
    insert_subject(warehouse, "a-mini")
    metrics = {"acc": (None, None, None), "bleu": (float("inf"), None, None), "odd": (float("nan"), 0.1, 0.2)}
    insert_evaluation(warehouse, "a-mini", "tone", metrics, [{"id": "1"}])
    content = load(warehouse)
    assert "| tone | acc ↑ | – |" in markdown_of(content, tmp_path)
    assert "∞" in Page(html_of(content, tmp_path)).text
    assert "not a number" in terminal_of(content, 60)


def test_a_long_answer_is_shortened_and_says_so(content, page, comment):
    answers = {s.sample_id: s for s in content.of_suite("first_look")["base-mini"].samples}
    assert answers["look-02"].completion.characters == 1_000_000
    assert "shortened: 700 of 1,000,000 characters" in Page(page).text
    assert "shortened: 240 of 1,000,000 characters" in comment


def test_prompts_shared_by_suites_and_subjects_are_stored_once(content):
    texts = texts_of(browsable(content, 3_000_000))
    assert len(texts) == len(set(texts))
    assert texts.count("Who wrote Faust?") == 1


def test_the_spread_between_seeds_stands_beside_the_sampling_error(warehouse, tmp_path):
    insert_run(warehouse)
    for seed, estimate in enumerate((0.30, 0.40, 0.50)):
        name = "wiki_only-mini" + (f"-seed{seed}" if seed else "")
        insert_subject(warehouse, name, recipe="wiki_only", variant="mini", seed=seed)
        metrics = {"conversational": (estimate, estimate - 0.196, estimate + 0.196)}
        insert_evaluation(warehouse, name, "tone", metrics, [{"id": "t0"}])
    content = load(warehouse)
    [row] = tables.seeds(content)
    assert (row.recipe, row.suite, row.metric, row.estimates) == (
        "wiki_only-mini",
        "tone",
        "conversational",
        [0.3, 0.4, 0.5],
    )
    assert (row.mean, row.seed_spread, row.sampling_error) == pytest.approx((0.4, 0.1, 0.1))
    assert "Between seeds" in html_of(content, tmp_path)
    assert "| `wiki_only-mini` | tone | conversational | 3 | 0.400 | 0.100 | 0.100 |" in markdown_of(content, tmp_path)


def test_one_seed_has_no_spread(content, page):
    assert tables.seeds(content) == []
    assert "Between seeds" not in page


def test_scores_stand_with_and_without_the_items_that_training_touched(warehouse, tmp_path):
    insert_run(warehouse)
    insert_subject(warehouse, "wiki_only-mini")
    scored = [{"id": f"q{i}", "scores": {"acc": float(i < 3)}} for i in range(8)]
    insert_evaluation(warehouse, "wiki_only-mini", "quiz", {"acc": (3 / 8, 0.1, 0.7)}, scored)
    sized = [{"id": f"t{i}", "scores": {"bits": 8.0 * (i + 1), "bytes": 4.0}} for i in range(2)]
    insert_evaluation(warehouse, "wiki_only-mini", "retention", {"bits_per_byte": (3.0, 2.0, 4.0)}, sized)
    items = [{"id": f"quiz: q{i}", "scores": {"touched": float(i < 2)}} for i in range(8)]
    items += [{"id": f"retention: t{i}", "scores": {"touched": float(i)}} for i in range(2)]
    insert_evaluation(warehouse, "wiki_only-mini", "contamination", {"touched": (0.3, 0.1, 0.6)}, items)
    content = load(warehouse)
    quiz, retention = tables.contamination(content)
    assert (quiz.touched, quiz.estimate, quiz.without) == ("2 of 8", 3 / 8, pytest.approx(1 / 6))
    assert (retention.touched, retention.estimate, retention.without) == ("1 of 2", 3.0, 2.0)
    assert 'id="contamination"' in html_of(content, tmp_path)
    assert "| quiz | `wiki_only-mini` | 2 of 8 | acc | 0.375 | 0.167 |" in markdown_of(content, tmp_path)
