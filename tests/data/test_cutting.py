"""Long texts in pieces, cut where a reader would."""

from harness.data.tools.cutting import cut


def test_cuts_prefer_paragraphs_then_sentences_then_words():
    paragraphs = ("a" * 60 + ". " + "b" * 58 + ".\n\n") * 3
    assert [len(piece) for piece in cut(paragraphs, 50, 150)] == [121, 121, 121]
    assert cut("One two. Three four. Five six seven.", 10, 24) == ["One two. Three four.", "Five six seven."]
    assert cut("word " * 30, 20, 50)[0] == "word " * 9 + "word"
    assert cut("x" * 100, 10, 30) == ["x" * 30, "x" * 30, "x" * 30, "x" * 10]


def test_the_last_piece_is_not_too_short():
    for length in range(101, 400):
        assert all(30 <= len(piece) <= 100 for piece in cut("y" * length, 30, 100)), length
