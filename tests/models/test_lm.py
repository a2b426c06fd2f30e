"""HarnessLM against lm-eval's own hf model, request by request."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lm_eval")

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.data.reading.rows import EMBEDDED
from harness.errors import SuiteError
from harness.models import HarnessLM
from tests.tiny_models import saved_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved_llama(tmp_path_factory.mktemp("lm"), vocabulary=500, context=320, larger=6).path


@pytest.fixture(scope="module")
def ours(folder):
    return HarnessLM(pretrained=folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def theirs(folder):
    return HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=4)


def instances(kind, arguments):
    return [Instance(kind, {}, one, number) for number, one in enumerate(arguments)]


QUIZ = [json.loads(line) for line in (EMBEDDED / "quiz.jsonl").read_text().splitlines()[:12]]
PAIRS = [(row["question_stem"], f" {choice}") for row in QUIZ for choice in row["choices"]["text"]]
PAIRS += [("", "a text of its own"), ("ends in blanks  ", "then"), ("owl", " s"), ("owl", "s"), ("naïve ", "café 🦉")]


def assert_same(ours, theirs):
    for (total, greedy), (their_total, their_greedy) in zip(ours, theirs, strict=True):
        assert total == pytest.approx(their_total, abs=1e-4)
        assert greedy == their_greedy


def test_loglikelihoods_and_greedy_flags_are_hfs(ours, theirs):
    requests = instances("loglikelihood", PAIRS)
    assert ours.how == "tree"
    assert_same(ours.loglikelihood(requests), theirs.loglikelihood(requests))


def test_documents_of_several_windows_are_rolled_as_hf_does(ours, theirs):
    texts = ["One owl.", "The owl sat in the tree and waited. " * 70, "Rain fell on the old roof. " * 45]
    requests = instances("loglikelihood_rolling", [(text,) for text in texts])
    assert ours.loglikelihood_rolling(requests) == pytest.approx(theirs.loglikelihood_rolling(requests), abs=2e-3)


def test_completions_up_to_stop_strings_are_hfs(ours, theirs):
    stops = {"until": ["e", "🦉"], "max_gen_toks": 24, "do_sample": False}
    arguments = [(row["question_stem"], stops) for row in QUIZ]
    arguments += [(row["question_stem"], {"until": ["\n\n"], "max_gen_toks": 9}) for row in QUIZ[:5]]
    requests = instances("generate_until", arguments)
    assert ours.generate_until(requests) == theirs.generate_until(requests)


def test_a_model_that_prefers_a_penalty_is_left_to_hf(ours, theirs, monkeypatch):
    requests = instances(
        "generate_until", [(row["question_stem"], {"until": ["\n"], "max_gen_toks": 12}) for row in QUIZ]
    )
    before = ours.generate_until(requests)
    for lm in (ours, theirs):
        monkeypatch.setattr(lm.model.generation_config, "repetition_penalty", 3.0)
    assert ours.generate_until(requests) == theirs.generate_until(requests) != before


def test_other_ways_to_generate_are_left_to_hf(ours, theirs):
    arguments = [(QUIZ[0]["question_stem"], {"until": ["\n"], "max_gen_toks": 6, "num_beams": 2})]
    requests = instances("generate_until", arguments)
    assert ours.generate_until(requests) == theirs.generate_until(requests)


@pytest.mark.parametrize("settings", [{}, {"apply_chat_template": True, "fewshot_as_multiturn": True}])
@pytest.mark.parametrize("shots", [0, 3])
def test_a_whole_task_scores_as_with_hf(ours, theirs, tmp_path, shots, settings):
    import lm_eval
    from lm_eval.tasks import TaskManager

    rows = [json.loads(line) for line in (EMBEDDED / "quiz.jsonl").read_text().splitlines()[:40]]
    data = tmp_path / "quiz.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": "quiz", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test", "fewshot_split": "test", "output_type": "multiple_choice",
        "doc_to_text": "{{question_stem}}", "doc_to_choice": "{{choices.text}}",
        "doc_to_target": "{{choices.label.index(answerKey)}}", "num_fewshot": shots,
        "metric_list": [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")],
    }  # fmt: skip
    results = [
        lm_eval.simple_evaluate(
            model=model, tasks=[dict(task)], limit=8, bootstrap_iters=0, log_samples=True,
            task_manager=TaskManager(include_defaults=False), **settings,
        )
        for model in (ours, theirs)
    ]  # fmt: skip
    for name in ("acc,none", "acc_norm,none"):
        assert results[0]["results"]["quiz"][name] == results[1]["results"]["quiz"][name]
    for one, other in zip(results[0]["samples"]["quiz"], results[1]["samples"]["quiz"], strict=True):
        assert one["arguments"] == other["arguments"]
        assert_same(one["filtered_resps"], other["filtered_resps"])


def test_nothing_is_cut_silently(ours):
    long = "The owl sat in the tree. " * 80
    with pytest.raises(SuiteError, match=r"sample 0 \('The owl sat .* exceed the model's context of 320"):
        ours.loglikelihood(instances("loglikelihood", [(long, " owl")]))
    with pytest.raises(SuiteError, match="sample 0 .* exceed the model's context of 320"):
        ours.generate_until(instances("generate_until", [(long, {"until": [], "max_gen_toks": 4})]))


def test_a_continuation_that_melts_into_its_context_is_named(ours):
    with pytest.raises(SuiteError, match="sample 0 .*: its target has no tokens"):
        ours.loglikelihood(instances("loglikelihood", [("owl", "")]))


@pytest.mark.parametrize("add_bos_token", [None, True, False])
def test_each_text_is_tokenized_once_and_as_hf_does(folder, theirs, add_bos_token, monkeypatch):
    given = {"pretrained": folder, "device": "cpu", "dtype": "float32", "add_bos_token": add_bos_token}
    ours, theirs = HarnessLM(**given), HFLM(**given, batch_size=4)
    begins = ours.tokenizer.decode(ours.prefix_token_id)
    pairs = [*PAIRS, (f"{begins}an owl", " sits"), (begins, "an owl")]
    asked = {}
    for lm in (ours, theirs):
        monkeypatch.setattr(lm, "_loglikelihood_tokens", lambda some, lm=lm, **_: asked.setdefault(lm, some) and [])
    monkeypatch.setattr(type(ours.tokenizer), "encode", one_text := counted(type(ours.tokenizer).encode))
    ours.loglikelihood(instances("loglikelihood", pairs))
    alone = one_text.calls
    theirs.loglikelihood(instances("loglikelihood", pairs))
    assert asked[ours] == asked[theirs]
    assert (alone, one_text.calls - alone) == (5, 2 * len(pairs) - 1), (
        "the beginnings' own, and the text without context"
    )
    assert ours.tokenized == {}, "kept only as long as they are needed"


def counted(function):
    def counting(*given, **named):
        counting.calls += 1
        return function(*given, **named)

    counting.calls = 0
    return counting
