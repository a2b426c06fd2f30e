"""The model worker over one folder, in this process: suite by suite, each with its answers or its error."""

import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.errors import DeviceError, SuiteError
from harness.models.__main__ import answer_folder, as_message, spoils
from harness.models.answering.resident import Resident
from harness.suite import Choices, Generate, Perplexity, Probe
from harness.worker.child import ERROR
from harness.worker.messages import Answers, Question, WorkerError, read_answers, receive
from harness.worker.places import Directory, Published
from tests.measuring import DOCUMENTS, TEXTS, write_request

ASKED = [
    Question(id="a", prompt="Name a bird.", target="owl", choices=("owl", "a kite")),
    Question(id="b", prompt="Why?", target="rain", choices=("rain", "sun")),
]


@pytest.fixture(scope="module", autouse=True)
def threads():
    """A worker sets the threads of its own process; here they are set back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_answers_are_written_with_how_they_came_about(engine, model_at, tmp_path):
    folder = write_request(tmp_path / "measuring" / "c0", model_at)
    assert answer_folder(folder, Resident()) == 0
    found = read_answers(folder / "k.json")
    assert found.answers == engine.document_loglikelihoods(["a", "b"], TEXTS)
    record = found.record
    assert (record.device, record.dtype, record.engine) == ("cpu", "float32", "tree")
    assert record.environment["threads"] == 1
    assert record.tokens > sum(answer["tokens"] for answer in found.answers)
    assert record.tokenizer == engine.prompts.tokenizer_digest
    assert found.samples == []


def test_the_weights_of_a_key_are_found_in_the_store_two_levels_up(engine, model_at, tmp_path):
    shutil.copytree(model_at.path, tmp_path / "checkpoints" / "c0")
    folder = write_request(tmp_path / "measuring" / "c0", Published("c0"))
    assert answer_folder(folder, Resident()) == 0
    assert read_answers(folder / "k.json").answers == engine.document_loglikelihoods(["a", "b"], TEXTS)


def test_several_asks_of_a_suite_are_answered_sample_by_sample(engine, model_at, tmp_path):
    asks = {"k": (Perplexity(chat=True), Choices(), Generate(max_new_tokens=4))}
    folder = write_request(tmp_path / "measuring" / "c0", model_at, asks, ASKED)
    assert answer_folder(folder, Resident()) == 0
    names, prompts = [one.id for one in ASKED], [one.prompt for one in ASKED]
    alone = [
        [engine.asked(prompt) for prompt in prompts],
        engine.answer_loglikelihoods(names, prompts, [one.target for one in ASKED]),
        engine.choice_loglikelihoods(names, prompts, [one.choices for one in ASKED]),
        engine.generate(names, [engine.prompt_ids(prompt) for prompt in prompts], 4),
    ]
    assert read_answers(folder / "k.json").answers == [{**a, **b, **c, **d} for a, b, c, d in zip(*alone, strict=True)]


def test_each_copy_of_a_sample_is_probed_in_its_own_dtype(model_at, tmp_path):
    dtypes = ("float32", "bfloat16")
    copies = [Question(id=f"{name}@{dtype}", prompt="Why?", copy=dtype) for name in "ab" for dtype in dtypes]
    asks = {"k": (Probe(dtypes=dtypes, max_new_tokens=3),)}
    folder = write_request(tmp_path / "measuring" / "c0", model_at, asks, copies)
    assert answer_folder(folder, Resident()) == 0
    answers = read_answers(folder / "k.json").answers
    assert all(answer["sampled"] for answer in answers)
    full, half = answers[0]["largest_activation"], answers[1]["largest_activation"]
    assert full != half
    assert [answer["largest_activation"] for answer in answers] == [full, half, full, half]


def test_what_goes_wrong_with_one_suite_leaves_the_others_answered(model_at, tmp_path):
    asks = {"broken": (Generate(max_new_tokens=4_000),), "sound": (Generate(max_new_tokens=4),)}
    folder = write_request(tmp_path / "measuring" / "c0", model_at, asks, ASKED)
    resident = Resident()
    assert answer_folder(folder, resident) == 0
    broken = read_answers(folder / "broken.json")
    assert isinstance(broken, WorkerError)
    assert broken.kind == "SuiteError"
    assert broken.problem.startswith("sample a: ")
    assert isinstance(read_answers(folder / "sound.json"), Answers)
    assert not resident.spoiled


def test_a_suite_that_was_answered_before_is_not_asked_again(model_at, tmp_path):
    folder = write_request(tmp_path / "measuring" / "c0", model_at)
    (folder / "k.json").write_text("answered before")
    assert answer_folder(folder, Resident()) == 0
    assert (folder / "k.json").read_text() == "answered before"


def test_a_model_that_cannot_be_loaded_fails_the_whole_request(tmp_path):
    folder = write_request(tmp_path / "measuring" / "c0", Directory(str(tmp_path / "nothing")))
    resident = Resident()
    assert answer_folder(folder, resident) == 1
    left = receive(folder / ERROR)
    assert left.kind == "StoreError"
    assert "nothing cannot be loaded" in left.problem
    assert not resident.spoiled  # the next request may be sound


def test_an_error_that_nobody_foresaw_is_told_with_its_place_and_spoils_the_process(model_at, tmp_path):
    asks = {"k": (Probe(dtypes=("float31",)),), "after": (Generate(max_new_tokens=4),)}
    folder = write_request(tmp_path / "measuring" / "c0", model_at, asks, ASKED)
    resident = Resident()
    assert answer_folder(folder, resident) == 0
    assert not (folder / "after.json").exists()  # a fresh process is asked for that
    found = read_answers(folder / "k.json")
    assert found.kind == "WorkerFailed"
    assert found.problem.startswith("AttributeError: module 'torch' has no attribute 'float31' (__init__.py:")
    assert resident.spoiled


def test_the_digest_of_prompts_follows_what_was_asked_and_nothing_else(model_at, tmp_path):
    resident, digests = Resident(), []
    for name, questions in (("one", DOCUMENTS), ("again", DOCUMENTS), ("other", DOCUMENTS[:1])):
        folder = write_request(tmp_path / "measuring" / name, model_at, questions=questions)
        assert answer_folder(folder, resident) == 0
        digests.append(read_answers(folder / "k.json").record.prompt_digest)
    assert digests[0] == digests[1] != digests[2]


def test_an_error_of_the_harness_crosses_the_wall_as_it_is():
    from harness.errors import SuiteError

    assert as_message(SuiteError("broken", "mend it")) == WorkerError("SuiteError", "broken", "mend it")


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (SuiteError("sample a: a choice is empty."), False),
        (DeviceError("the GPU failed: CUDA error: device-side assert triggered"), True),
        (IndexError("unexpected"), True),
    ],
)
def test_after_an_error_of_the_device_or_of_nobody_a_fresh_process_goes_on(error, ends):
    assert spoils(error) is ends
