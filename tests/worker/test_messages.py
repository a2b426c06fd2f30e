"""What crosses the wall between the session and its workers survives it as it was."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import (
    Architecture,
    Choices,
    Generate,
    LmEval,
    LmEvalTask,
    Lora,
    Overlap,
    Parity,
    Perplexity,
    Probe,
    Quantization,
    TrainingRecord,
    errors,
)
from harness.errors import DataError, HarnessError, WorkerFailed
from harness.recipe import FinetuneSettings, PretrainSettings
from harness.worker.messages import (
    KINDS,
    Answers,
    AnswersRecord,
    AskedSuite,
    ChatRequest,
    ExportRequest,
    Form,
    MeasureRequest,
    NearestRequest,
    Question,
    TrainingTask,
    WorkerError,
    decoded,
    encoded,
    read_answers,
    read_questions,
    receive,
    send,
    write_answers,
    write_questions,
)
from harness.worker.places import Adapted, Directory, GgufFile, HubModel, Published, Served

BASE = Adapted(Directory("/own"), HubModel("org/model", None))
PRETRAINING = TrainingTask(
    makes="c0", name="ground-mini pretrain", kind="pretrain",
    architecture=Architecture(hidden_size=32, layers=2, heads=2, key_value_heads=1, intermediate_size=64,
                              vocabulary_size=300, context_length=64, head_size=24, family="gpt2"),
    settings=PretrainSettings(learning_rate=1e-3, epochs=0.5, effective_batch_size=4, block_length=32),
    held_out=("1", "2"), eval_steps=3, save_steps=5, track="wandb",
)  # fmt: skip
FINETUNING = TrainingTask(
    makes="c1", name="é 🦉 \u2028", kind="finetune", base=BASE, base_name="org/model", seed=7, micro_batch_size=2,
    settings=FinetuneSettings(learning_rate=1e-3, epochs=2, effective_batch_size=4, adapter=Lora(rank=4, dropout=0.1),
                              quantization=Quantization(compute="float32"), template="chatml"),
    device="cuda:0", threads=3,
)  # fmt: skip
UNTRAINED = TrainingTask(makes="c2", name="untrained-mini fresh", kind="fresh", base=HubModel("org/model", "1234"))
IMPORTED = TrainingTask(makes="c3", name="own-mini import", kind="import", base=GgufFile("own.gguf", "a" * 64))
ASKS = (
    Generate(max_new_tokens=4, temperature=0.5), Perplexity(chat=True), Choices(), LmEval("arc", ("acc",)),
    LmEvalTask("own.yaml", num_fewshot=2, apply_chat_template=True, gen_kwargs={"max_gen_toks": 3}), Probe(dtypes=("float32",)), Parity(forms=("int8",)), TrainingRecord(), Overlap(n=5),
)  # fmt: skip
MEASURING = MeasureRequest(
    measures="c0", model=Adapted(Published("c1"), Published("c0")), device="cpu", dtype="float32", threads=2,
    suites=(AskedSuite(key="a", name="all", asks=ASKS, system_prompt="Be brief."), AskedSuite(key="b", name="b", asks=(), limit=5, form=Form(schema={"type": "object", "required": ("pairs",)}, words="As JSON."))),
)  # fmt: skip
MESSAGES = [
    PRETRAINING,
    FINETUNING,
    UNTRAINED,
    IMPORTED,
    MEASURING,
    MeasureRequest(
        measures="c5", model=Served("org/model", "http://localhost:8000/v1"), device="cpu", dtype="float32", threads=1,
        suites=(),
    ),
    ExportRequest(
        name="n", model=Published("c0"), device="cpu", threads=1, dtype="bfloat16", merge=True, quantize="4bit"
    ),
    ChatRequest(
        name="n", model=BASE, device="cpu", threads=1, dtype="float32", prompt=None, system="Be brief.",
        max_new_tokens=8, temperature=0.5,
    ),
    NearestRequest(model=BASE, device="cpu", threads=1, k=2, passages=("a", "b"), questions=("c",)),
    WorkerError("DataError", "row 3 is odd", "Mend it."),
]  # fmt: skip
RECORD = AnswersRecord(
    seconds=1.5, tokens=7, prompt_digest="d", tokenizer="t", chat_template="c", engine="tree", peak_memory_bytes=3,
    energy_joules=None, device="cpu", dtype="float32", environment={"python": "3.11", "threads": 1},
)  # fmt: skip


def kinds_in(value):
    """The kinds of all dataclasses in a value."""
    if dataclasses.is_dataclass(value):
        return {type(value)}.union(*(kinds_in(getattr(value, field.name)) for field in dataclasses.fields(value)))
    return set().union(*map(kinds_in, value)) if isinstance(value, tuple) else set()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_from_its_text_and_from_its_file(message, tmp_path):
    assert decoded(encoded(message)) == message
    send(tmp_path / "message.json", message)
    assert receive(tmp_path / "message.json") == message
    assert [path.name for path in tmp_path.iterdir()] == ["message.json"]  # no temporary is left


def test_the_messages_above_are_of_every_kind_there_is():
    assert set().union(*map(kinds_in, MESSAGES)) == set(KINDS.values())


def test_a_message_is_plain_json_that_names_its_kind():
    found = json.loads(encoded(FINETUNING))
    assert found["is"] == "TrainingTask"
    adapter = found["settings"]["adapter"]
    assert {name: adapter[name] for name in ("is", "rank", "alpha", "dropout")} == {
        "is": "Lora", "rank": 4, "alpha": 8, "dropout": 0.1,
    }  # fmt: skip


def test_a_kind_that_no_worker_knows_is_an_error():
    with pytest.raises(KeyError, match="Wish"):
        decoded('{"is": "Wish"}')


texts = st.text(max_size=12)
some_questions = st.builds(
    Question,
    id=texts,
    prompt=texts,
    target=texts,
    choices=st.lists(texts, max_size=3).map(tuple),
    row=st.none() | st.dictionaries(texts, texts | st.integers() | st.none() | st.lists(texts, max_size=2), max_size=3),
    copy=st.none() | texts,
)


@given(st.lists(some_questions, max_size=4))
def test_questions_come_back_one_by_one_in_their_order(tmp_path_factory, questions):
    path = tmp_path_factory.getbasetemp() / "questions.jsonl"
    write_questions(path, questions)
    assert read_questions(path) == questions
    assert len(path.read_text().split("\n")) == len(questions) + 1


def test_a_text_that_is_no_unicode_crosses_as_well(tmp_path):
    odd = [Question(id="a", prompt="half \udc80 a pair"), Question(id="b", prompt="two\r\nlines\u2029 and \x85 more")]
    write_questions(tmp_path / "q", odd)
    assert read_questions(tmp_path / "q") == odd


def test_answers_come_back_with_their_record_and_the_samples_that_a_task_brought(tmp_path):
    answers = Answers([{"completion": "é 🦉", "loglikelihoods": [-1.5, -2]}, {}], RECORD, [{"id": "0", "prompt": "?"}])
    write_answers(tmp_path / "a.json", answers)
    assert read_answers(tmp_path / "a.json") == answers


def test_what_went_wrong_with_a_suite_comes_back_in_place_of_its_answers(tmp_path):
    error = WorkerError("SuiteError", "sample 3 is odd", "")
    write_answers(tmp_path / "a.json", error)
    assert read_answers(tmp_path / "a.json") == error


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarnessError)]
)
def test_an_error_is_raised_again_as_its_own_kind_under_the_jobs_name(kind):
    raised = WorkerError.of(kind("row 3 is odd.", "Mend it.")).raised_for("plain-mini finetune")
    assert type(raised) is kind
    assert (raised.problem, raised.remedy) == ("plain-mini finetune: row 3 is odd.", "Mend it.")
    assert raised.message == f"{kind.__name__}: plain-mini finetune: row 3 is odd.\n    Mend it."


def test_a_kind_of_error_that_only_the_worker_knows_is_a_failed_worker():
    class NotFinite(DataError):
        """Known in a worker alone."""

    raised = WorkerError.of(NotFinite("scores are nan")).raised_for("plain-mini")
    assert type(raised) is WorkerFailed
    assert raised.problem == "plain-mini: scores are nan"
