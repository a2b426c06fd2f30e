"""Numbers, verdicts and findings as a reader meets them."""

from types import SimpleNamespace

import pytest

from harness.report.words import duration, energy, headline, interval, number, verdict_line, visible


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ("", "No claims were judged."),
        ("pass", "1 claim holds."),
        ("pass pass pass fail inconclusive", "3 claims hold, 1 fails, 1 cannot be decided."),
        ("fail fail", "2 claims fail."),
        ("inconclusive skipped skipped", "1 claim cannot be decided; 2 were skipped."),
        ("skipped", "1 claim was skipped, none was judged."),
    ],
)
def test_verdict_line_counts_in_words(verdicts, said):
    assert verdict_line(tuple(SimpleNamespace(verdict=verdict) for verdict in verdicts.split())) == said


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (float("nan"), "not a number"), (float("-inf"), "−∞"), (0.4125, "0.412"), (-0.00314, "−0.0031"),
     (23.4812, "23.48"), (231592.0, "231,592"), (1e-9, "1.00e−09"), (0.0, "0.000")],
)  # fmt: skip
def test_numbers_have_three_or_four_digits(value, told):
    assert number(value) == told


def test_an_interval_without_both_ends_is_not_shown():
    assert interval(0.1, 0.25) == "0.100 to 0.250"
    assert interval(None, 0.2) == interval(0.1, float("nan")) == ""


def test_durations_are_told_in_their_own_unit():
    assert [duration(s) for s in (None, 1.25, 84, 150, 7200)] == ["–", "1.2 s", "84 s", "2.5 min", "2.0 h"]


def test_control_and_direction_characters_are_made_visible():
    assert visible("a\x00b\x1b[31m\u202ec\n\td") == "a⟨U+0000⟩b⟨U+001B⟩[31m⟨U+202E⟩c\n\td"


def test_energy_is_told_in_watt_hours():
    assert [energy(joules) for joules in (None, 80.5, 7200, 9e6)] == ["–", "0.022 Wh", "2.000 Wh", "2.500 kWh"]


def test_an_interrupted_session_says_so_first():
    gates = (SimpleNamespace(verdict="pass"),)
    ended, cut = (SimpleNamespace(gates=gates, run=SimpleNamespace(interrupted=what)) for what in (False, True))
    assert headline(ended) == "1 claim holds."
    assert headline(cut) == "Interrupted before its end. 1 claim holds."
