"""What training rows share with the items of suites: every item is a sample, whatever was found."""

from harness import Sample
from harness.evaluation.asking.contamination import shared_with_items

ITEMS = {
    "quiz": [
        Sample(id="a", prompt="Which bird hunts at night?", choices=("the owl", "the kite"), target=0),
        Sample(id="b", prompt="Which tree is oldest?", choices=("the oak", "the ash"), target=1),
    ],
    "recall": [Sample(id="a", prompt="When?", target="Long before anybody wrote it down.")],
}
TRAINED_ON = [
    {"text": "Nobody knows which bird hunts at night. THE OWL, we think."},
    {"messages": [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "Long ago."}]},
]


def found(n=3, rows=TRAINED_ON):
    return {item.id: (item, answer) for item, answer in shared_with_items(rows, ITEMS, n)}


def test_every_item_of_every_suite_is_a_sample_under_its_suites_name():
    items = found()
    assert list(items) == ["quiz: a", "quiz: b", "recall: a"]
    item, answer = items["quiz: a"]
    assert (item.prompt, item.target) == ("Which bird hunts at night?", "the owl")
    assert (answer["suite"], answer["suites"]) == ("quiz", ["quiz", "recall"])


def test_the_share_is_that_of_the_items_word_sequences_whatever_their_case_and_punctuation():
    shared = {name: answer["shared"] for name, (_, answer) in found().items()}
    assert shared["quiz: a"] == 1.0  # question and answer stand in one row
    assert shared["quiz: b"] == 0.0
    assert shared["recall: a"] == 0.0  # "when long before" is not what was trained on
    assert found(n=1)["recall: a"][1]["shared"] == 2 / 7  # two of its seven words


def test_nothing_trained_on_shares_nothing():
    assert {answer["shared"] for _, answer in found(rows=[]).values()} == {0.0}
