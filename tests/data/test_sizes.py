"""The sizes of texts: in characters, or in tokens by a process that has the tokenizer."""

import json
import subprocess
import sys

import pytest

from harness.data.tools.sizes import BATCH, characters, sized, tokens
from harness.errors import DataError
from tests.word_tokenizer import tokenizer_of_words


def test_every_row_keeps_its_own_size_over_many_batches():
    rows = [(number, "x" * number) for number in range(2 * BATCH + 3)]
    asked = []

    def sizes(texts):
        asked.append(len(texts))
        return characters(texts)

    assert list(sized(rows, sizes)) == [(number, text, number) for number, text in rows]
    assert asked == [BATCH, BATCH, 3]


def test_no_row_is_asked_for_where_there_is_none():
    assert list(sized([], characters)) == []


def test_without_a_tokenizer_there_is_nothing_to_count_with():
    with tokens(None) as counts:
        assert counts is None


def test_tokens_are_counted_by_the_tokenizer_without_special_ones(tmp_path):
    pytest.importorskip("transformers")
    with tokens(str(tokenizer_of_words(tmp_path / "words"))) as counts:
        assert counts(["one two three", "", "línea\nnueva"]) == [3, 0, 2]
        assert counts(["again"]) == [1]


def test_a_folder_without_a_tokenizer_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match=f"--tokenizer {tmp_path} cannot be loaded: ") as error, tokens(str(tmp_path)):
        pytest.fail("nothing can be counted")
    assert "transformers must be installed: the extra `train`" in error.value.remedy


def test_counting_characters_loads_no_tokenizers_library():
    code = "import sys, json, harness.data.tools.sizes; print(json.dumps([m for m in ('torch', 'transformers') if m in sys.modules]))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == []
