"""A server's model answers as the same model does here, and what a server lacks or breaks is told."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("openai")

from harness.errors import EndpointError, NotOffered
from harness.models.endpoint.asks import EndpointWorker
from harness.suite import Choices, Generate, Perplexity
from harness.worker.messages import REQUEST, Passage, Question, WorkerError, read_answers, receive
from harness.worker.places import Served
from tests.measuring import write_request
from tests.projects import environment
from tests.served import serving

TURNS = (
    {"role": "user", "content": "Name a bird."},
    {"role": "assistant", "content": "An owl."},
    {"role": "user", "content": "Another."},
)
QUESTIONS = [
    Question(id="one", prompt="Why do leaves fall?", target="They are old.", choices=("Wind blows.", "They are old.")),
    Question(id="talk", messages=TURNS, target="A kite.", choices=("A kite.", "A tree, perhaps.")),
]


@pytest.fixture
def server(engine):
    with serving(engine) as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("openai._base_client.time.sleep", lambda seconds: None)


def answered(server, tmp_path, *asks, system=None):
    folder = write_request(tmp_path / "k", Served("tiny", server.url), {"k": asks}, QUESTIONS)
    [suite] = receive(folder / REQUEST).suites
    return EndpointWorker(folder, Served("tiny", server.url)).answer(suite)


def test_completions_are_those_of_the_model_and_tell_how_they_ended(server, engine, tmp_path):
    found = answered(server, tmp_path, Generate(max_new_tokens=6))
    ids = [engine.prompt_ids(question.asked) for question in QUESTIONS]
    expected = engine.generate(["one", "talk"], ids, 6)
    assert [one["completion"] for one in found.answers] == [one["completion"] for one in expected]
    assert [one["finish_reason"] for one in found.answers] == [one["finish_reason"] for one in expected]
    assert [one["prompt_tokens"] for one in found.answers] == [len(one) for one in ids]
    assert found.record.tokens == sum(len(one) for one in ids) + sum(one["completion_tokens"] for one in expected)
    assert (found.record.device, found.record.engine) == (server.url, "endpoint")


def test_passages_come_before_a_server_s_questions_too(server, engine, tmp_path):
    notes = (Passage(id="r1", text="Owls fly.", right=True),)
    asked = [replace(question, passages=notes) for question in QUESTIONS[:1]]
    how = {"passage_prompt": "{passages}\n{question}"}
    folder = write_request(
        tmp_path / "k", Served("tiny", server.url), {"k": (Generate(max_new_tokens=6),)}, asked, **how
    )
    [suite] = receive(folder / REQUEST).suites
    found = EndpointWorker(folder, Served("tiny", server.url)).answer(suite)
    prompt = engine.prompt_ids("Owls fly.\nWhy do leaves fall?")
    [expected] = engine.generate(["one"], [prompt], 6)
    assert found.answers[0]["completion"] == expected["completion"]
    assert found.answers[0]["passages"] == [{"id": "r1", "right": True}]
    assert found.record.passages == 1


def test_log_likelihoods_are_those_of_the_model_where_the_server_gives_them(server, engine, tmp_path):
    found = answered(server, tmp_path, Choices(), Perplexity(chat=True))
    prompts = [question.asked for question in QUESTIONS]
    choices = engine.choice_loglikelihoods(["one", "talk"], prompts, [question.choices for question in QUESTIONS])
    answers = engine.answer_loglikelihoods(["one", "talk"], prompts, [question.target for question in QUESTIONS])
    for one, of_choices, of_answers in zip(found.answers, choices, answers, strict=True):
        assert one["loglikelihoods"] == pytest.approx(of_choices["loglikelihoods"], abs=1e-4)
        assert one["chosen"] == of_choices["chosen"]
        assert one["nll"] == pytest.approx(of_answers["nll"], abs=1e-4)
        assert {name: one[name] for name in ("tokens", "words", "bytes")} == {
            name: of_answers[name] for name in ("tokens", "words", "bytes")
        }


@pytest.mark.parametrize("without", ["/tokenize", "/v1/completions"])
def test_a_server_without_them_does_not_offer_them(engine, tmp_path, without):
    with serving(engine, without=(without,)) as server, pytest.raises(NotOffered, match="gives no log-likelihood"):
        answered(server, tmp_path, Choices())


def test_what_needs_weights_is_not_offered(server, tmp_path):
    with pytest.raises(NotOffered, match="Perplexity needs a model's weights, and tiny is a server's"):
        answered(server, tmp_path, Perplexity())


def test_a_busy_server_is_asked_again_and_how_often_is_bounded(server, tmp_path):
    server.faults = [(429, {"Retry-After": "1"}, "slow down"), (503, {}, "loading"), (500, {}, "oops")]
    assert len(answered(server, tmp_path, Generate(max_new_tokens=2)).answers) == 2
    server.faults = [(503, {}, "still loading")] * 40
    with pytest.raises(EndpointError, match=r"sample (one|talk): .*/v1/chat/completions answers 503: still loading"):
        answered(server, tmp_path / "again", Generate(max_new_tokens=2))


@pytest.mark.parametrize(
    ("fault", "message", "remedy"),
    [
        ((401, {}, '{"error": "no key"}'), "answers 401: .*no key", "Set OPENAI_API_KEY to a key of that server."),
        ((404, {}, "no such model"), "answers 404: no such model", "Does the address end as the server says"),
        ((200, {}, "<html>"), "answers no JSON object: '<html>'", ""),
        ((200, {}, '{"error": "odd"}'), "the server's answer lacks 'choices'", ""),
        ((200, {}, '{"choices": []}'), "the server's answer lacks 0", ""),
    ],
)
def test_what_a_server_says_is_told_with_the_sample(server, tmp_path, fault, message, remedy):
    server.faults = [fault] * 2
    with pytest.raises(EndpointError, match=message) as error:
        answered(server, tmp_path, Generate(max_new_tokens=2))
    assert error.value.remedy.startswith(remedy)


def test_a_server_that_wants_the_limit_by_its_new_name_gets_it(engine, tmp_path):
    with serving(engine, unknown=("max_tokens",)) as server:
        assert len(answered(server, tmp_path, Generate(max_new_tokens=2)).answers) == 2
    assert sum("max_completion_tokens" in body for _, body in server.asked) == 2


def test_a_key_is_sent_and_stands_nowhere(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving(engine, key="sk-secret") as server:
        found = answered(server, tmp_path, Generate(max_new_tokens=2))
    assert len(found.answers) == 2
    assert all("sk-secret" not in file.read_text() for file in tmp_path.rglob("*") if file.is_file())


def test_nobody_there_is_told(tmp_path):
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1/chat/completions does not answer \(ConnectError"):
        EndpointWorker(tmp_path, Served("tiny", "http://127.0.0.1:9/v1")).answer(
            receive(write_request(tmp_path, Served("tiny", ""), {"k": (Generate(),)}, QUESTIONS) / REQUEST).suites[0]
        )


def test_an_answer_that_is_there_is_not_asked_again(server, tmp_path):
    whole = answered(server, tmp_path, Generate(max_new_tokens=4)).answers
    kept = tmp_path / "k" / "k.got.jsonl"
    first = next(line for line in kept.read_text().splitlines() if json.loads(line)["id"] == "one")
    kept.write_text(f'{first}\n{{"id": "talk", "ans')  # killed in the middle of a line
    server.asked.clear()
    again = answered(server, tmp_path, Generate(max_new_tokens=4))
    assert [body["messages"][-1]["content"] for _, body in server.asked] == ["Another."]
    assert again.answers == whole
    assert {json.loads(line)["id"] for line in kept.read_text().splitlines()} == {"one", "talk"}


def test_the_worker_loads_no_torch_and_one_suite_that_is_not_offered_leaves_the_others(server, tmp_path):
    asks = {"a": (Generate(max_new_tokens=2),), "b": (Perplexity(),)}
    folder = write_request(tmp_path / "both", Served("tiny", server.url), asks, QUESTIONS)
    code = (
        "import sys, runpy; sys.argv = ['x', sys.argv[1]]\n"
        "try: runpy.run_module('harness.models.endpoint', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "assert not {'torch', 'transformers', 'pytest'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], env=environment(), check=True, timeout=60)
    assert len(read_answers(folder / "a.json").answers) == 2
    left = read_answers(folder / "b.json")
    assert isinstance(left, WorkerError)
    assert left.kind == "NotOffered"


@pytest.mark.parametrize("key", ["sk-secret\n", " sk-secret "])
def test_blanks_around_a_key_are_none_of_it(engine, tmp_path, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with serving(engine, key="sk-secret") as server:
        assert len(answered(server, tmp_path, Generate(max_new_tokens=2)).answers) == 2


@pytest.mark.parametrize("key", ["sk-\nsecret", "sk-sécret", "sk secret"])
def test_a_key_that_is_none_is_refused_without_showing_it(server, tmp_path, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(EndpointError, match="OPENAI_API_KEY holds characters that no key has") as error:
        answered(server, tmp_path, Generate(max_new_tokens=2))
    assert "cret" not in error.value.message


def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_message(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving(engine) as server:
        server.faults = [(401, {}, "Incorrect API key provided: sk-secret.")] * 2
        with pytest.raises(EndpointError, match=r"provided: \*\*\*\.") as error:
            answered(server, tmp_path, Generate(max_new_tokens=2))
    assert "sk-secret" not in error.value.message


def test_answers_under_way_are_kept_when_another_fails(server, tmp_path):
    questions = [Question(id=str(number), prompt=f"Why {number}?") for number in range(40)]
    folder = write_request(tmp_path, Served("tiny", server.url), {"k": (Generate(max_new_tokens=2),)}, questions)
    [suite] = receive(folder / REQUEST).suites
    server.faults = [(401, {}, "no")]
    with pytest.raises(EndpointError):
        EndpointWorker(folder, Served("tiny", server.url)).answer(suite)
    kept = (folder / "k.got.jsonl").read_text().splitlines()
    assert len(kept) == len(server.asked) - 1 < 39  # all but the one refused; the rest was not asked
    server.asked.clear()
    assert len(EndpointWorker(folder, Served("tiny", server.url)).answer(suite).answers) == 40
    assert len(server.asked) == 40 - len(kept)


@pytest.mark.parametrize(
    ("choice", "usage", "message"),
    [
        ({"message": {"content": [{"text": "parts"}]}}, {}, "the server's answer is no text"),
        ({"message": {"content": "fine"}, "finish_reason": None}, {"prompt_tokens": None}, None),
    ],
)
def test_odd_answers_are_told_or_taken_for_what_they_are(server, tmp_path, choice, usage, message):
    server.faults = [(200, {}, json.dumps({"choices": [choice], "usage": usage}))] * 2
    if message:
        with pytest.raises(EndpointError, match=message):
            answered(server, tmp_path, Generate(max_new_tokens=2))
    else:
        found = answered(server, tmp_path, Generate(max_new_tokens=2))
        assert [one["completion"] for one in found.answers] == ["fine", "fine"]
        assert found.record.tokens == 0


def test_a_server_that_does_not_tokenize_conversations_does_not_offer_likelihoods(server, tmp_path):
    server.faults = [(200, {}, '{"tokens": []}')] * 2
    with pytest.raises(NotOffered, match="does not tokenize a conversation"):
        answered(server, tmp_path, Choices())


def test_why_a_completion_ended_is_not_made_up(server, tmp_path):
    server.faults = [(200, {}, '{"choices": [{"message": {"content": "fine"}}]}')] * 2
    assert [one["finish_reason"] for one in answered(server, tmp_path, Generate()).answers] == [None, None]


def test_an_answer_that_a_template_may_trim_is_not_scored_as_another(server, tmp_path):
    questions = [Question(id="a", prompt="Why?", choices=(" Wind.", " Old."))]
    folder = write_request(tmp_path, Served("tiny", server.url), {"k": (Choices(),)}, questions)
    with pytest.raises(NotOffered, match="has blanks around it"):
        EndpointWorker(folder, Served("tiny", server.url)).answer(receive(folder / REQUEST).suites[0])
