"""What GitHub is told: annotations that survive any text, and a summary within its limit."""

from harness.gates.verdict import Verdict
from harness.session.github import MOST_SUMMARY, add_to_summary, annotated


def verdict(gate="alpha-mini-tone-x", outcome="fail", message="It fails."):
    return Verdict(gate, "alpha-mini", None, "tone", "x", "claim", "x is above 0.5", outcome, message=message)


def test_only_what_does_not_hold_is_annotated_doubt_as_a_warning():
    verdicts = [verdict(outcome=one) for one in ("pass", "fail", "inconclusive", "skipped")]
    assert annotated(verdicts, {"alpha-mini": "recipes/alpha.py"}) == [
        "::error file=recipes/alpha.py,title=alpha-mini-tone-x::It fails.",
        "::warning file=recipes/alpha.py,title=alpha-mini-tone-x::It fails.",
    ]
    assert [line[:8] for line in annotated(verdicts, {}, strict=True)] == ["::error ", "::error "]


def test_a_message_cannot_end_its_line_or_start_another_command():
    [line] = annotated([verdict(gate="a:b,c", message="100 % wrong\n::stop-commands::x\r")], {})
    assert line == "::error title=a%3Ab%2Cc::100 %25 wrong%0A::stop-commands::x%0D"


def test_the_summary_is_appended_and_stays_within_githubs_limit(tmp_path):
    summary, markdown = tmp_path / "summary.md", tmp_path / "report.md"
    summary.write_text("# Before\n")
    markdown.write_text("# Report\n")
    add_to_summary(summary, markdown)
    assert summary.read_text() == "# Before\n# Report\n\n"
    markdown.write_text("a line of text, with é\n" * 100_000)
    add_to_summary(summary, markdown)
    assert MOST_SUMMARY - 200 < summary.stat().st_size <= MOST_SUMMARY + 1
    assert summary.read_text().endswith("*Shortened: the whole report is in the artifact.*\n\n")
