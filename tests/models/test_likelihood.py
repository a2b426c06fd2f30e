"""Log-likelihoods by shared prefixes equal those of one request at a time, on every architecture."""

import functools

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import DeviceError, SuiteError
from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.prefixes.trie import Request
from tests.likelihood_requests import some_requests
from tests.tiny_models import CONTEXT, PLAIN, TREE, VOCABULARY, tiny

model_of = functools.cache(tiny)


@functools.cache
def scorer_of(name):
    return LikelihoodScorer(model_of(name), "cpu", CONTEXT)


@torch.inference_mode()
def alone(name, request):
    """Log-likelihood and greedy flag by one plain forward pass of the model."""
    path = [*request.context, *request.target]
    logits = model_of(name)(torch.tensor([path[:-1]])).logits[0, len(request.context) - 1 :].float().log_softmax(-1)
    target = torch.tensor(request.target)
    return float(logits.gather(1, target[:, None]).sum()), bool((logits.argmax(-1) == target).all())


def assert_equal(name, requests, found):
    for request, one in zip(requests, found, strict=True):
        total, greedy = alone(name, request)
        assert one.total == pytest.approx(total, abs=1e-4)
        assert one.greedy == greedy


def questions(count=9, shots=20):
    """Few-shot questions with four choices of several lengths, some of one token."""
    ids = iter(range(10**6))
    draw = lambda n: [(next(ids) * 37 + 11) % VOCABULARY for _ in range(n)]
    examples = draw(shots)
    requests = []
    for number in range(count):
        context = [*examples, *draw(3 + number % 4)]
        requests += [Request(f"q{number}", context, draw(1 + (number + choice) % 4)) for choice in range(4)]
    return requests


@pytest.mark.parametrize("name", TREE)
def test_shared_prefixes_give_the_loglikelihoods_of_plain_passes(name):
    requests = questions()
    assert scorer_of(name).how == "tree"
    assert_equal(name, requests, scorer_of(name).score(requests))


@pytest.mark.parametrize("name", TREE)
def test_a_prefix_common_to_the_run_is_computed_once(name, monkeypatch):
    scorer = LikelihoodScorer(model_of(name), "cpu", CONTEXT)
    scorer.tokens_at_once, scorer.row_tokens = 16, 8  # the run is longer than a few batches of these
    requests = questions(20)
    assert_equal(name, requests, scorer.score(requests))
    assert scorer.work.asked > 5 * scorer.work.unique
    assert scorer.work.computed < 1.5 * scorer.work.unique


@pytest.mark.parametrize("name", PLAIN)
def test_a_model_that_takes_no_tree_is_scored_plainly_and_says_so(name):
    requests = questions(3, shots=4)
    assert scorer_of(name).how.startswith("plain: ")
    assert_equal(name, requests, scorer_of(name).score(requests))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests=some_requests, width=st.integers(1, 40), budget=st.integers(1, 60), name=st.sampled_from(TREE))
def test_any_set_of_requests_scores_as_one_at_a_time(requests, width, budget, name):
    scorer = LikelihoodScorer(model_of(name), "cpu", CONTEXT)
    scorer.row_tokens, scorer.tokens_at_once = width, budget
    assert_equal(name, requests, scorer.score(requests))


@pytest.mark.parametrize("name", TREE)
def test_no_mask_is_larger_than_it_may_be(name, monkeypatch):
    """Wide rows, a long sequence after a prefix, and many rows under one: masks stay small, and scores the same."""
    from harness.models.answering import likelihood

    monkeypatch.setattr(likelihood, "MASK_AT_ONCE", 400)
    monkeypatch.setattr(likelihood, "WIDEST", 16)
    scorer = LikelihoodScorer(model_of(name), "cpu", CONTEXT)
    scorer.row_tokens, scorer.tokens_at_once = 8, 64
    sizes, whole = [], scorer.tree.masks.of_rows

    def of_rows(depths, ends, prefix_length=0):
        sizes.append(depths.numel() * (prefix_length + depths.shape[1]))
        return whole(depths, ends, prefix_length)

    monkeypatch.setattr(scorer.tree.masks, "of_rows", of_rows)
    shared = [(5 * i) % VOCABULARY for i in range(18)]
    long = [Request(f"long {i}", [*shared, *((i + j) % VOCABULARY for j in range(40))], [1, 2]) for i in range(3)]
    short = [Request(f"short {i}", [*shared, i, i + 1], [i, 7]) for i in range(30)]
    assert_equal(name, [*long, *short], scorer.score([*long, *short]))
    assert sizes
    assert max(sizes) <= 400


def test_ten_thousand_choices_share_their_question():
    context = [(3 * i) % VOCABULARY for i in range(30)]
    requests = [Request("q", context, [i % 97, i // 97 % 97, i % 13]) for i in range(10_000)]
    scorer = LikelihoodScorer(model_of("llama"), "cpu", CONTEXT)
    found = scorer.score(requests)
    assert_equal("llama", requests[::2500], found[::2500])
    assert scorer.work.asked == 320_000
    assert scorer.work.computed < 10_500


def test_a_context_of_one_token_is_enough():
    requests = [Request("one", [5], [6]), Request("one", [5], [6, 7, 8])]
    assert_equal("gpt2", requests, scorer_of("gpt2").score(requests))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request("q-1", [1] * 60, [2] * 6), "sample q-1: 60 prompt tokens and 6 target tokens exceed .* context of 64"),
        (Request("q-2", [1], []), "sample q-2: its target has no tokens"),
        (Request("q-3", [], [1]), "sample q-3: its context has no tokens"),
    ],
)
def test_what_cannot_be_scored_is_named(request_, said):
    with pytest.raises(SuiteError, match=said):
        scorer_of("llama").score([Request("fine", [1, 2], [3]), request_])


def test_the_longest_request_that_fits_is_scored():
    requests = [Request("full", [1] * 60, [2] * 5)]  # the last token is predicted, not computed on
    assert_equal("gpt2", requests, scorer_of("gpt2").score(requests))


def test_logits_that_are_no_numbers_name_the_sample():
    model = tiny("llama")
    with torch.no_grad():
        model.model.embed_tokens.weight[7] = float("nan")
    scorer = LikelihoodScorer(model, "cpu", CONTEXT)
    with pytest.raises(SuiteError, match="sample bad: the model's logits are not a number"):
        scorer.score([Request("bad", [50, 7, 51], [52, 53])])


def test_running_out_of_memory_halves_the_batch_and_changes_nothing(monkeypatch):
    scorer = LikelihoodScorer(model_of("llama"), "cpu", CONTEXT)
    whole, sizes = scorer.tree.states, []

    def states(rows, *rest):
        sizes.append(sum(len(row.tokens) for row in rows))
        if sizes[-1] > 40:
            raise torch.OutOfMemoryError("out of memory")
        return whole(rows, *rest)

    monkeypatch.setattr(scorer.tree, "states", states)
    requests = questions(12, shots=2)
    assert_equal("llama", requests, scorer.score(requests))
    assert sizes[0] > 40
    assert scorer.tokens_at_once <= 40


def test_a_sample_too_large_for_memory_alone_is_named(monkeypatch):
    scorer = LikelihoodScorer(model_of("llama"), "cpu", CONTEXT)

    def states(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(scorer.tree, "states", states)
    with pytest.raises(DeviceError, match="sample big: memory of cpu runs out on this sample alone"):
        scorer.score([Request("big", [1, 2, 3], [4, 5])])


def test_fixed_batches_are_never_halved(monkeypatch):
    scorer = LikelihoodScorer(model_of("llama"), "cpu", CONTEXT)
    scorer.size_batches(fixed=True)
    requests = questions(12, shots=2)
    assert_equal("llama", requests, scorer.score(requests))

    def states(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(scorer.tree, "states", states)
    with pytest.raises(
        DeviceError, match=r"memory of cpu runs out on a batch of .* tokens, and --exact leaves batches"
    ):
        scorer.score(requests)
    assert scorer.tokens_at_once == 4096
    scorer.size_batches(fixed=False)
    assert scorer.tokens_at_once == 512
