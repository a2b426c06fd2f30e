"""Texts as words by number, and bytes as letters that no markup reads."""

import pytest

from harness.report.letters import FIRST_BYTES, coded, packed
from tests.report_rows import unpacked


def test_words_are_named_by_fewer_bytes_the_more_often_they_occur():
    rare = [f"word{i}x" for i in range(22_000)]
    words, codes = coded([" the" * 5 + " of" * 3, "", *rare])
    assert words[:3] == [" the", " of", "word0x"]
    assert codes.startswith(bytes([1] * 5 + [2] * 3 + [0, 0, 3, 0]))
    assert FIRST_BYTES[2] in codes
    assert len(words) == 22_002


@pytest.mark.parametrize("raw", [b"", b"a", bytes(range(256)) * 7])
def test_packed_bytes_come_back(raw):
    assert unpacked(packed(raw)) == raw
