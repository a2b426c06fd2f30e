"""Completions: the same tokens alone and among others, on every architecture; stop strings; room in the context."""

import gc
import weakref

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.errors import DeviceError, SuiteError
from harness.models.answering.generation import Generator, NotFinite, Prompt
from tests.generating import generator_of, one_by_one, tokenizer
from tests.tiny_models import PLAIN, TREE, VOCABULARY, tiny


def prompts(count=23, new=12):
    draw = lambda number: [(number * 31 + 7 * i * i + 5) % VOCABULARY for i in range(1 + number % 9)]
    return [Prompt(f"p{number}", draw(number), 3 + (number * 5) % new) for number in range(count)]


@pytest.mark.parametrize("name", TREE + PLAIN)
def test_greedy_tokens_do_not_depend_on_the_batch(name):
    model, stops = tiny(name), [3, 11]
    generator = generator_of(model)
    assert (generator.tree is None) == (name in PLAIN)
    generator.slots = 5  # sequences enter as others leave
    found = generator.complete(prompts(), stops)
    for prompt, one in zip(prompts(), found, strict=True):
        assert one.ids == one_by_one(model, prompt, stops)
        assert one.ended == (len(one.ids) < prompt.max_new_tokens)


@pytest.mark.parametrize("name", TREE)
def test_what_all_prompts_begin_with_is_computed_once_and_changes_no_token(name, monkeypatch):
    model, header = tiny(name), [(5 * i + 2) % VOCABULARY for i in range(20)]
    asked = [Prompt(one.name, [*header, *one.ids], one.max_new_tokens) for one in prompts(9)]
    asked.append(Prompt("shortest", [*header, 1], 4))
    generator = generator_of(model)
    generator.slots, computed = 4, []
    own = generator.tree.states
    monkeypatch.setattr(generator.tree, "states", lambda rows, *more: computed.extend(rows) or own(rows, *more))
    found = generator.complete(asked, [3, 11])
    for prompt, one in zip(asked, found, strict=True):
        assert one.ids == one_by_one(model, prompt, [3, 11])
    assert len(computed) == len(asked)
    assert {tuple(row.prefix) for row in computed} == {tuple(header)}
    assert [row.depths[0] for row in computed] == [20] * len(asked)


def test_sampled_tokens_do_not_depend_on_the_batch_but_on_the_seed():
    generator = generator_of(tiny("llama"))
    together = generator.complete(prompts(), [], temperature=1.5, seed=4)
    generator.slots = 2
    assert generator.complete(prompts(), [], temperature=1.5, seed=4) == together
    assert generator.complete(prompts(), [], temperature=1.5, seed=5) != together


def test_sampling_follows_the_models_probabilities():
    model = tiny("llama")
    expected = model(torch.tensor([[5, 6]])).logits[0, -1].div(0.7).softmax(-1)
    found = generator_of(model).complete([Prompt(str(i), [5, 6], 1) for i in range(4000)], [], temperature=0.7)
    counts = torch.bincount(torch.tensor([one.ids[0] for one in found]), minlength=VOCABULARY)
    likely = expected > 0.02
    assert likely.sum() > 3
    error = (expected * (1 - expected) / 4000).sqrt()
    assert bool(((counts / 4000 - expected).abs()[likely] < 5 * error[likely]).all())


@pytest.mark.parametrize("stop", ["é", "🦉", "then", " the owl", "\n"])
def test_a_stop_string_ends_the_text_before_it(stop):
    """The model is made to write a known text; its stop strings may be of several bytes or cross tokens."""
    text = "An owl — café, 🦉 and then the owl\nslept."
    ids = tokenizer()(text)["input_ids"]
    model = Recites(ids)
    generator = Generator(model, None, tokenizer(), "cpu", 512)
    [found] = generator.complete([Prompt("s", [0], len(ids), (stop,))], [])
    assert found.text == text.split(stop)[0]
    assert (found.finish_reason, found.ended) == ("stop", True)
    [whole] = generator.complete([Prompt("s", [0], len(ids), ("absent",))], [])
    assert (whole.text, whole.finish_reason, whole.ended) == (text, "length", False)
    [turn] = generator.complete([Prompt("s", [0], len(ids), ("absent",))], [ids[-1]])
    assert (turn.finish_reason, turn.ids) == ("end", ids[: ids.index(ids[-1])])


def test_a_stop_string_is_not_looked_for_within_special_tokens_but_may_name_one():
    ids = [
        *tokenizer()("An owl")["input_ids"],
        tokenizer().convert_tokens_to_ids("<|im_end|>"),
        *tokenizer()(" slept.")["input_ids"],
    ]
    generator = Generator(Recites(ids), None, tokenizer(), "cpu", 512)
    [letter] = generator.complete([Prompt("s", [0], len(ids), ("m",))], [])
    assert (letter.text, letter.ended) == ("An owl slept.", False)
    [named] = generator.complete([Prompt("s", [0], len(ids), ("<|im_end|>",))], [])
    assert (named.text, named.ended) == ("An owl", True)


class Recites:
    """Stands where a model stands, and writes the tokens it is given."""

    def __init__(self, ids):
        self.ids = ids

    def get_input_embeddings(self):
        return torch.nn.Embedding(1_000, 1)

    def generate(self, input_ids, max_new_tokens, **_):
        return torch.cat([input_ids, torch.tensor([self.ids[:max_new_tokens]] * len(input_ids))], 1)


def test_a_prompt_without_room_or_tokens_is_named():
    generator = generator_of(tiny("llama"))
    with pytest.raises(
        SuiteError, match="sample long: 60 prompt tokens and 8 new ones exceed the model's context of 64"
    ):
        generator.complete([Prompt("fine", [1], 2), Prompt("long", [1] * 60, 8)], [])
    with pytest.raises(SuiteError, match="sample none: its prompt has no tokens"):
        generator.complete([Prompt("none", [], 8)], [])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("name", ["llama", "bloom"])
def test_scores_that_are_no_numbers_name_the_sample(name, temperature):
    model = tiny(name)
    with torch.no_grad():
        model.get_input_embeddings().weight[7] = float("nan")
    generator = generator_of(model)
    with pytest.raises(NotFinite, match="sample bad: next-token scores hold nan or inf"):
        generator.complete([Prompt("bad", [50, 7], 4)], [], temperature)


def test_running_out_of_memory_halves_the_slots_and_changes_nothing(monkeypatch):
    generator = generator_of(tiny("llama"))
    expected = generator.complete(prompts(), [3])
    whole, sizes = generator.tree.next_states, []

    def next_states(tokens, *rest):
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return whole(tokens, *rest)

    monkeypatch.setattr(generator.tree, "next_states", next_states)
    assert generator.complete(prompts(), [3]) == expected
    assert max(sizes) > 3


def test_fixed_batches_take_no_account_of_free_memory_and_are_never_halved(monkeypatch):
    from harness.models.answering import generation

    generator = generator_of(tiny("llama"))
    expected = generator.complete(prompts(), [3])
    monkeypatch.setattr(generation, "CPU_CACHE", 0)  # nothing is free
    generator.size_batches(fixed=True)
    sizes, whole = [], generator._new_slots
    monkeypatch.setattr(generator, "_new_slots", lambda *given: sizes.append(whole(*given)) or sizes[-1])
    assert [one.ids for one in generator.complete(prompts(), [3])] == [one.ids for one in expected]
    assert sizes[0].size == len([one for one in prompts() if one.max_new_tokens])

    def next_states(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(generator.tree, "next_states", next_states)
    with pytest.raises(DeviceError, match="sequences, and --exact leaves batches as they are"):
        generator.complete(prompts(), [3])


def test_a_sequence_too_large_for_memory_alone_is_named(monkeypatch):
    generator = generator_of(tiny("llama"))

    def states(*_, **__):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(generator.tree, "states", states)
    with pytest.raises(DeviceError, match="sample big: memory of cpu runs out on this sample alone"):
        generator.complete([Prompt("big", [1, 2], 4)], [])


def test_slots_give_their_memory_up_at_once(monkeypatch):
    """Not when Python next looks for cycles: on a GPU the next slots are made before that."""
    generator, kept = generator_of(tiny("llama")), []
    whole = generator.tree.next_states

    def next_states(tokens, lengths, width, cache):
        kept.extend(weakref.ref(layer.keys) for layer in cache.layers if layer.keys is not None)
        return whole(tokens, lengths, width, cache)

    monkeypatch.setattr(generator.tree, "next_states", next_states)
    gc.disable()
    try:
        generator.complete(prompts(), [3])
        assert kept
        assert all(keys() is None for keys in kept)
    finally:
        gc.enable()
