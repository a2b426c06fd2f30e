"""A session's last lines in terminals of any encoding."""

import pytest

from harness.session.ending import spelled

TABLE = "verdict  claim\n✕ fails  naïve – 5 … 日本"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", TABLE),
        ("latin-1", "verdict  claim\nx fails  naïve - 5 ... \\u65e5\\u672c"),
        ("ascii", "verdict  claim\nx fails  na\\xefve - 5 ... \\u65e5\\u672c"),
    ],
)
def test_signs_that_a_terminal_lacks_are_replaced_and_lines_stay_lines(encoding, shown):
    assert spelled(TABLE, encoding) == shown
    assert spelled("plain", encoding) == "plain"
