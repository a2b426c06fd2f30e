"""Questions with passages in front: what a model is asked then, and what happens where they do not fit."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.__main__ import answer_folder
from harness.models.answering.resident import Resident
from harness.suite import Choices, Generate, Perplexity
from harness.worker.messages import Answers, Passage, Question, WorkerError, read_answers
from tests.measuring import write_request

PROMPT = "Notes:\n{passages}\nAsked: {question}"
NOTES = (Passage(id="r1", text="An {owl} is a bird.", right=True), Passage(id="r2", text="Rain falls.", right=False))
TURNS = (
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "Why?"},
)
PLAIN = Question(
    id="plain", prompt="Name a bird.", target="owl", choices=("owl", "a kite"), passages=NOTES, findable=True
)
TALK = Question(id="talk", messages=TURNS, target="rain", choices=("rain", "sun"), passages=NOTES[1:], findable=True)
NONE = Question(id="none", prompt="Who?", target="she", choices=("she", "he"), passages=())
SHORT = (Generate(max_new_tokens=4),)
LONG = Passage(id="long", text="word " * 3_000, right=False)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def answered(model_at, tmp_path, *questions, asks=SHORT, fewer=False):
    folder = write_request(
        tmp_path / "c0", model_at, {"k": asks}, list(questions), passage_prompt=PROMPT, fewer_passages=fewer
    )
    assert answer_folder(folder, Resident()) == 0
    return read_answers(folder / "k.json")


def test_the_model_is_asked_with_the_passages_in_front_of_the_last_turn(engine, model_at, tmp_path):
    found = answered(model_at, tmp_path, PLAIN, TALK, NONE)
    prompts = [
        "Notes:\nAn {owl} is a bird.\n\nRain falls.\nAsked: Name a bird.",
        [*TURNS[:2], {"role": "user", "content": "Notes:\nRain falls.\nAsked: Why?"}],
        "Who?",
    ]
    expected = engine.generate(["a", "b", "c"], [engine.prompt_ids(prompt) for prompt in prompts], 4)
    asked = [engine.asked(prompt) for prompt in prompts]
    for answer, wanted, told in zip(found.answers, expected, asked, strict=True):
        assert answer["completion"] == wanted["completion"]
        assert answer["rendered_prompt"] == told["rendered_prompt"]
    assert [answer["passages"] for answer in found.answers] == [
        [{"id": "r1", "right": True}, {"id": "r2", "right": False}], [{"id": "r2", "right": False}], [],
    ]  # fmt: skip
    assert [answer["found"] for answer in found.answers] == [True, False, None]
    assert found.record.passages == 3


def test_choices_and_references_are_scored_after_the_passages_too(engine, model_at, tmp_path):
    [answer] = answered(model_at, tmp_path, PLAIN, asks=(Choices(), Perplexity(chat=True))).answers
    prompt = "Notes:\nAn {owl} is a bird.\n\nRain falls.\nAsked: Name a bird."
    [chosen] = engine.choice_loglikelihoods(["p"], [prompt], [PLAIN.choices])
    [scored] = engine.answer_loglikelihoods(["p"], [prompt], ["owl"])
    assert answer["loglikelihoods"] == chosen["loglikelihoods"]
    assert answer["nll"] == scored["nll"]


def test_passages_that_exceed_the_context_are_an_error_that_names_the_sample(model_at, tmp_path):
    too_long = Question(id="q7", prompt="Why?", passages=(NOTES[0], LONG))
    found = answered(model_at, tmp_path, PLAIN, too_long)
    assert isinstance(found, WorkerError)
    assert found.problem.startswith(
        "sample q7: with its 2 passages, question and answer exceed the model's context by "
    )
    assert "fewer=True" in found.remedy


def test_as_many_passages_as_fit_are_taken_where_the_recipe_says_so(engine, model_at, tmp_path):
    too_long = Question(id="q7", prompt="Why?", passages=(NOTES[0], LONG, NOTES[1]))
    hopeless = Question(id="q8", prompt="Why?", passages=(LONG,))
    found = answered(model_at, tmp_path, too_long, hopeless, fewer=True)
    assert isinstance(found, Answers)
    assert [[one["id"] for one in answer["passages"]] for answer in found.answers] == [["r1"], []]
    assert found.answers[1]["rendered_prompt"] == engine.asked("Why?")["rendered_prompt"]
    assert found.record.passages == 1


def test_what_looks_nothing_up_says_nothing_of_passages(model_at, tmp_path):
    folder = write_request(
        tmp_path / "c0", model_at, {"k": (Generate(max_new_tokens=2),)}, [Question(id="a", prompt="Why?")]
    )
    assert answer_folder(folder, Resident()) == 0
    found = read_answers(folder / "k.json")
    assert "passages" not in found.answers[0]
    assert found.record.passages is None
