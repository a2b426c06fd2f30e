"""The cache of keys and values in slots: how many there are, and what a freed one leaves to the others."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.generation import Prompt
from harness.models.answering.slots import Slots
from harness.models.answering.tree import TreeModel
from tests.generating import generator_of, one_by_one
from tests.tiny_models import tiny


def test_one_long_prompt_does_not_narrow_the_batch_for_all_the_short_ones(monkeypatch):
    from harness.models.answering import generation

    model = tiny("llama")
    generator = generator_of(model)
    per_token = generation.bytes_per_token(model)
    assert per_token == 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, width, bytes
    monkeypatch.setattr(generation, "CPU_CACHE", 120 * per_token)
    sizes = []
    whole = generator._new_slots
    monkeypatch.setattr(generator, "_new_slots", lambda *given: sizes.append(whole(*given)) or sizes[-1])
    asked = [Prompt("long", [5] * 50, 10), *(Prompt(f"short {i}", [i + 1, 9], 6) for i in range(30))]
    found = generator.complete(asked, [3])
    assert [(cache.size, cache.capacity) for cache in sizes] == [(2, 60), (15, 8)]
    assert [one.ids for one in found] == [one_by_one(model, prompt, [3]) for prompt in asked]


@torch.inference_mode()
@pytest.mark.parametrize("name", ["llama", "mistral-window", "gpt2"])
def test_a_freed_slot_is_taken_by_the_last_sequence_which_goes_on_as_before(name):
    model = tiny(name)
    tree = TreeModel(model, "cpu")
    sequences = [[5, 6, 7], [8], [9, 10, 11, 12]]
    slots = Slots(model, size=3, capacity=8)
    slots.fill(tree, sequences, at=0)
    slots.free(0, last=2)
    assert slots.lengths == [4, 1]
    states = slots.step(tree, [20, 21])
    [(_, logits)] = tree.logits(states)
    alone = torch.stack(
        [model(torch.tensor([[*sequences[i], token]])).logits[0, -1] for i, token in ((2, 20), (1, 21))]
    )
    assert (logits - alone).abs().max() < 1e-4 * alone.std()
