"""The embedded corpora: their fields, the quiz's fairness, what must be apart, and that they can be written again."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import harness
from harness.data.reading.formats import training_row
from harness.data.sources import Source

MINI = Path(harness.__file__).parent / "data" / "mini"
ITEM = {"id", "service", "kind", "name", "train", "questions"}
FIELDS = {
    "crawl": {"id", "url", "title", "section_path", "text"},
    "events_2025": ITEM,
    "statistics_choices": {"id", "topic", "question", "choices", "answerKey"},
    "statistics_critical": {"id", "topic", "question", "answer", "key_points"},
    "statistics_qa": {"id", "kind", "group", "question", "answer", "citation"},
    "software_defects": ITEM,
    "dialogues": {"id", "topic", "input", "output"},
    "facts": {"id", "subject", "property", "object", "question", "statement", "split"},
    "first_look": {"id", "prompt"},
    "instructions": {"id", "instruction", "input", "output"},
    "passages": {"id", "title", "section", "text"},
    "quiz": {"id", "question_stem", "choices", "answerKey", "fact1"},
    "science": {"id", "title", "section", "text", "split"},
    "stories": {"id", "text", "split"},
    "tone_labelled": {"id", "text", "label", "source"},
    "tone_prompts": {"id", "topic", "phrasing", "prompt"},
}
SMALL_WORDS = "a an the of to in on is are it its and or that be as by for with from at can when not has have this"
WRITTEN = ("crawl", "dialogues", "facts", "first_look", "passages", "tone_prompts")  # by write_corpora


def rows(name):
    return [json.loads(line) for line in (MINI / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def words(text):
    return re.findall(r"\w+", text.lower())


def ngrams(texts, n=8):
    found = set()
    for text in texts:
        told = words(text)
        found |= {tuple(told[i : i + n]) for i in range(len(told) - n + 1)}
    return found


def content(text):
    """Content words without their endings: 'plants grow' and 'a growing plant' share both."""
    small = set(SMALL_WORDS.split())
    return {re.sub(r"(?<=\w\w\w)(ing|ed|es|s|er|ly)$", "", word) for word in words(text) if word not in small}


def covered(fact, texts):
    """The largest share of a fact's content words that one text holds."""
    wanted = content(fact)
    return max(len(wanted & text) / len(wanted) for text in texts)


def test_every_corpus_is_known_here():
    assert {path.stem for path in MINI.glob("*.jsonl")} == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_every_row_has_its_fields_filled_and_an_id_of_its_own(name):
    found = rows(name)
    assert len({row["id"] for row in found}) == len(found)
    for row in found:
        assert set(row) == FIELDS[name], row["id"]
        empty = [key for key, value in row.items() if not value]
        may_be_empty = {"instructions": ["input"], "statistics_qa": ["citation"]}
        assert empty in ([], may_be_empty.get(name, [])), row["id"]


@pytest.mark.parametrize("name", ["dialogues", "facts", "instructions", "passages", "science", "stories"])
def test_no_training_text_stands_twice(name):
    texts = Counter(
        json.dumps({key: value for key, value in row.items() if key not in ("id", "split", "section")})
        for row in rows(name)
    )
    assert [text for text, count in texts.items() if count > 1] == []


def test_dialogues_and_instructions_read_as_conversations():
    for name in ("dialogues", "instructions"):
        for row in rows(name):
            assert [m["role"] for m in training_row(row, Source())["messages"]] == ["user", "assistant"], row["id"]


def test_splits_leave_enough_on_both_sides():
    for name in ("facts", "science", "stories"):
        count = Counter(row["split"] for row in rows(name))
        assert set(count) == {"train", "held_out"}
        assert count["train"] >= 240, name
        assert count["held_out"] >= 40, name


def test_the_quiz_is_large_and_has_four_choices_with_one_answer():
    quiz = rows("quiz")
    assert len(quiz) >= 120
    for row in quiz:
        assert row["choices"]["label"] == ["A", "B", "C", "D"], row["id"]
        assert len(set(row["choices"]["text"])) == 4, row["id"]
        assert row["answerKey"] in "ABCD", row["id"]


def test_the_quiz_cannot_be_won_by_place_or_length():
    quiz = rows("quiz")
    places = Counter(row["answerKey"] for row in quiz)
    assert max(places.values()) - min(places.values()) <= 1
    longest = 0.0
    for row in quiz:
        lengths = [len(text) for text in row["choices"]["text"]]
        if lengths["ABCD".index(row["answerKey"])] == max(lengths):
            longest += 1 / lengths.count(max(lengths))
    assert longest / len(quiz) < 0.33


def test_no_eight_words_of_a_question_stand_in_a_pretraining_text():
    told = ngrams([row["text"] for name in ("science", "stories") for row in rows(name)])
    assert len(told) > 10_000
    touched = [row["id"] for row in rows("quiz") if ngrams([row["question_stem"]]) & told]
    assert touched == []


def test_no_fact_behind_a_question_is_told_word_by_word():
    told = [" ".join(words(row["text"])) for name in ("science", "stories") for row in rows(name)]
    assert [row["id"] for row in rows("quiz") if any(" ".join(words(row["fact1"])) in text for text in told)] == []


def test_every_fact_behind_a_question_is_taught_in_other_words_by_a_training_passage():
    science = [content(f"{row['title']} {row['text']}") for row in rows("science") if row["split"] == "train"]
    stories = [content(row["text"]) for row in rows("stories") if row["split"] == "train"]
    taught = {row["id"]: covered(row["fact1"], science) for row in rows("quiz")}
    by_chance = [covered(row["fact1"], stories) for row in rows("quiz")]
    assert [name for name, share in taught.items() if share < 1 / 3] == []
    mean = sum(taught.values()) / len(taught)
    assert mean > 0.7
    assert mean > sum(by_chance) / len(by_chance) + 0.2, "stories teach no science"


def test_held_out_facts_are_told_by_no_passage_and_no_dialogue():
    told = [" ".join(words(row["text"])) for row in rows("passages")]
    told += [" ".join(words(row["input"] + " " + row["output"][0]["answer"])) for row in rows("dialogues")]
    told += [" ".join(words(row["statement"])) for row in rows("facts") if row["split"] == "train"]
    held_out = [row for row in rows("facts") if row["split"] == "held_out"]
    assert [row["id"] for row in held_out if any(" ".join(words(row["statement"])) in text for text in told)] == []


@pytest.mark.parametrize("name", ["science", "stories"])
def test_held_out_texts_share_no_sentence_with_those_trained_on(name):
    trained = ngrams([row["text"] for row in rows(name) if row["split"] == "train"], n=12)
    shared = [row["id"] for row in rows(name) if row["split"] == "held_out" and ngrams([row["text"]], n=12) & trained]
    assert shared == []


def test_tone_labels_are_balanced():
    count = Counter(row["label"] for row in rows("tone_labelled"))
    assert min(count.values()) == max(count.values())
    assert "conversational" in count


def test_the_tables_give_the_same_bytes_again(tmp_path):
    shutil.copy(MINI / "write_corpora.py", tmp_path)
    shutil.copytree(MINI / "tables", tmp_path / "tables")
    subprocess.run([sys.executable, str(tmp_path / "write_corpora.py")], check=True)
    assert {path.stem for path in tmp_path.glob("*.jsonl")} == set(WRITTEN)
    for name in WRITTEN:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (MINI / f"{name}.jsonl").read_bytes(), name
