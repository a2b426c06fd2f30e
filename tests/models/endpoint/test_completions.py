"""Answers in a form: by schema where the server knows schemas, by words where it does not."""

import pytest

pytest.importorskip("openai")

from harness.errors import EndpointError
from harness.models.endpoint.client import Client
from harness.models.endpoint.completions import ODD, Completions
from harness.suite import Generate
from harness.worker.messages import REFUSED, Form
from tests.scripted import asked_about, said, scripted, wants_json

FORM = Form(schema={"type": "object"}, words="As JSON, please.")
ASK = Generate(max_new_tokens=50)
TURNS = [{"role": "user", "content": "Write."}]


def answers(server, count=1, form=FORM, earlier=()):
    completions = Completions(Client(server.url), "m", form, earlier)
    return [completions.answer(ASK, TURNS, seed=str(number)) for number in range(count)]


def test_a_server_that_knows_schemas_is_asked_by_schema():
    with scripted(lambda body: (200, said("{}"))) as server:
        [first, second] = answers(server, 2)
    assert (first["completion"], first["structured"], second["structured"]) == ("{}", True, True)
    assert [body["response_format"]["json_schema"]["schema"] for body in server.asked] == [FORM.schema] * 2
    assert asked_about(server.asked[0]) == "Write."
    assert server.keys[0], "a key by which a server may know the request again"
    assert server.keys[0] == server.keys[1]


@pytest.mark.parametrize(
    "refusal", [(400, {"error": "unknown field response_format"}), (422, "no"), (200, said("Sure!"))]
)
def test_a_server_that_does_not_is_asked_in_words_from_then_on(refusal):
    with scripted(lambda body: refusal if wants_json(body) else (200, said("A: x"))) as server:
        [first, second] = answers(server, 2)
    assert (first["completion"], second["completion"]) == ("A: x", "A: x")
    assert [wants_json(body) for body in server.asked] == [True, False, False]
    assert asked_about(server.asked[2]) == "Write.\n\nAs JSON, please."
    paid_for_trying = refusal[0] == 200
    assert first["prompt_tokens"] == 100 * (1 + paid_for_trying)
    assert second["prompt_tokens"] == 100


@pytest.mark.parametrize("known", [True, False])
def test_what_earlier_answers_showed_is_not_tried_again(known):
    with scripted(lambda body: (200, said("{}"))) as server:
        answers(server, earlier=[{"structured": known}])
    assert [wants_json(body) for body in server.asked] == [known]


def test_a_cut_answer_in_json_is_json():
    with scripted(lambda body: (200, said('{"pairs": [', "length"))) as server:
        [answer] = answers(server)
    assert (answer["structured"], answer["ended"], len(server.asked)) == (True, False, 1)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ((400, {"error": "content policy"}), REFUSED),
        ((413, "too long"), REFUSED),
        ((200, {"choices": [], "usage": [1]}), ODD),
        ((200, {"choices": [{"message": {"content": 3}, "finish_reason": {}}]}), ODD),
    ],
)
def test_one_question_that_has_no_answer_is_an_answer_of_its_own(odd, reason):
    with scripted(lambda body: odd) as server:
        [answer] = answers(server)
        assert (answer["completion"], answer["finish_reason"]) == ("", reason)
        assert answer["problem"]
        with pytest.raises(EndpointError):
            answers(server, form=None)  # of a suite every question counts


def test_an_empty_first_answer_does_not_decide_whether_schemas_are_known():
    replies = iter([said(None), said("{}"), said("{}")])
    with scripted(lambda body: (200, next(replies))) as server:
        found = answers(server, 3)
    assert [wants_json(body) for body in server.asked] == [True] * 3
    assert [one["structured"] for one in found] == [None, True, True]


@pytest.mark.parametrize("status", [401, 404])
def test_what_concerns_all_questions_is_an_error(status):
    with scripted(lambda body: (status, {"error": "no"})) as server, pytest.raises(EndpointError, match=str(status)):
        answers(server)
