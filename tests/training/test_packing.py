"""Packed rows: the losses and gradients of rows on their own, on every architecture; nothing cut, nothing moved."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.shared.packing import IGNORED, NO_ROW, Packing, lines_of, target_losses
from tests.packed_rows import rows
from tests.tiny_models import PLAIN, TREE, tiny


def gradient(model):
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


@pytest.mark.parametrize("name", TREE + PLAIN)
def test_a_step_on_packed_rows_has_the_gradient_of_rows_alone(name):
    model = tiny(name)
    by_hand = 0.0
    for row in rows():
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        logits = model(ids, use_cache=False).logits[0, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=IGNORED, reduction="sum")
        loss.backward()
        by_hand += float(loss)
    expected = gradient(model)
    model.zero_grad()
    pack = Packing(model, pad=1)
    assert pack.packs == (name not in PLAIN)
    losses, _ = target_losses(model, model.get_output_embeddings(), pack(rows()))
    losses.sum().backward()
    assert float(losses.sum()) == pytest.approx(by_hand, rel=1e-5)
    off = float((gradient(model) - expected).norm() / expected.norm())
    assert off < (1e-4 if name == "mamba" else 1e-5)  # mamba is padded, and sums its scan in another order


def test_nothing_is_padded_where_rows_fill_their_lines():
    batch = Packing(tiny("llama"), pad=1)(rows((8, 5, 3, 8)))
    assert bool((batch["rows"] != NO_ROW).all())
    assert batch["input_ids"].numel() == 24


def test_the_first_token_of_a_row_is_no_target():
    whole = [{"input_ids": [5, 6, 7], "labels": [5, 6, 7]}, {"input_ids": [8, 9], "labels": [8, 9]}]
    batch = Packing(tiny("llama"), pad=1)(whole)
    assert (batch["labels"] != IGNORED).sum() == 3


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(8, 4096))
def test_every_row_stands_in_one_line_and_none_is_cut(lengths, width):
    lines = lines_of(lengths, width)
    assert sorted(number for line in lines for number in line) == list(range(len(lengths)))
    size = max(sum(lengths[number] for number in line) for line in lines)
    padded = len(lengths) * max(lengths) * (1 + max(lengths) / (6 * width))
    assert len(lines) * size * (1 + size / (6 * width)) <= padded + 1e-6
