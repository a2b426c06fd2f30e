"""Rows that begin alike, computed once: the losses and gradients of the rows on their own, on every architecture."""

import functools
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import set_seed

from harness import Lora
from harness.files import read_json_lines, write_json_lines
from harness.training.shared.held_out import row_losses
from harness.training.shared.packing import IGNORED, NO_ROW, Packing, cost, target_losses
from harness.training.shared.sharing import shared_batch, shared_lines, shares
from harness.training.watching.progress import LOG
from harness.worker.messages import HELD_OUT, ROWS, TASK, receive
from tests.packed_rows import rows as unlike
from tests.tiny_models import PLAIN, TREE, VOCABULARY, tiny
from tests.training_tasks import ADAPTED, write_task

SYSTEM = [(5 * i * i + 2) % VOCABULARY for i in range(24)]
llama = functools.cache(lambda: tiny("llama"))


def row(ids, prompt):
    return {"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]}


def alike():
    """Rows after one system prompt: two the same, one that another continues, one with the system prompt as a target."""
    ends = [[3, 9, 4, 8, 1], [3, 9, 5, 6], [3, 9, 4, 8, 1], [7, 7], [3, 9], [11, 12, 13, 14, 15, 16, 17]]
    made = [row(SYSTEM + end, len(SYSTEM) + 1) for end in ends]
    return [*made, row(SYSTEM, 5), row([4], 0)]


def alone(model, rows):
    """The summed loss of the rows' targets by one forward pass each, with gradients."""
    total = 0.0
    for one in rows:
        if len(one["input_ids"]) < 2:
            continue
        logits = model(torch.tensor([one["input_ids"]]), use_cache=False).logits[0, :-1].float()
        labels = torch.tensor(one["labels"][1:])
        loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        loss.backward()
        total += float(loss.detach())
    return total


def gradient(model):
    found = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    model.zero_grad()
    return found


@pytest.mark.parametrize("name", [name for name in TREE if name != "gpt2"])
def test_a_step_on_shared_rows_has_the_gradient_of_rows_alone(name):
    model = tiny(name)
    by_hand, expected = alone(model, alike()), gradient(model)
    pack = Packing(model, pad=1)
    assert pack.shares
    batch = pack(alike())
    assert batch["input_ids"].numel() < 70 < sum(len(one["input_ids"]) for one in alike())
    losses, owners = target_losses(model, model.get_output_embeddings(), batch)
    losses.sum().backward()
    assert float(losses.sum().detach()) == pytest.approx(by_hand, rel=1e-5)
    assert float((gradient(model) - expected).norm() / expected.norm()) < 1e-5
    counts = [sum(label != IGNORED for label in one["labels"][1:]) for one in alike()]
    assert torch.bincount(owners, minlength=len(counts)).tolist() == counts


def test_the_trainer_counts_every_target_and_every_token():
    batch, rows = Packing(llama(), pad=1)(alike()), alike()
    targets = sum(label != IGNORED for one in rows for label in one["labels"][1:])
    assert int((batch["labels"][..., 1:] != IGNORED).sum()) == int((batch["labels"] != IGNORED).sum()) == targets
    assert int((batch["rows"] != NO_ROW).sum()) == sum(len(one["input_ids"]) for one in rows)


def test_held_out_rows_keep_their_own_losses():
    model = llama()
    found = row_losses(model, alike()[:-1], Packing(model, pad=1), batch_size=4)
    for (loss, count), one in zip(found, alike()[:-1], strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([one["input_ids"]]), use_cache=False).logits[0, :-1].float()
        labels = torch.tensor(one["labels"][1:])
        by_hand = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        assert loss == pytest.approx(float(by_hand), rel=1e-4)
        assert count == int((labels != IGNORED).sum())


def test_rows_that_share_little_are_packed_as_they_were():
    pack = Packing(llama(), pad=1)
    assert "places" not in pack(unlike())
    short = [row([5, *one["input_ids"]], 2) for one in unlike()]  # a header of one token
    assert "places" not in pack(short)


@pytest.mark.parametrize("name", PLAIN)
def test_a_model_whose_attention_takes_no_mask_shares_nothing(name):
    assert not Packing(tiny(name), pad=1).shares


def test_nothing_is_shared_where_something_is_dropped_out():
    from peft import LoraConfig, get_peft_model

    assert not shares(tiny("gpt2"))  # drops out a tenth, as it is published
    model = tiny("llama")
    model.config.attention_dropout = 0.1
    assert not shares(model)
    for dropout, expected in ((0.0, True), (0.1, False)):
        adapted = get_peft_model(tiny("llama"), LoraConfig(target_modules="all-linear", lora_dropout=dropout))
        assert Packing(adapted, pad=1).shares is expected


def test_an_adapter_learns_the_same_from_shared_rows():
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(tiny("llama"), LoraConfig(r=4, target_modules="all-linear"))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.02)
    alone(model, alike())
    expected = gradient(model)
    losses, _ = target_losses(model, model.get_output_embeddings(), Packing(model, pad=1)(alike()))
    losses.sum().backward()
    assert float((gradient(model) - expected).norm() / expected.norm()) < 1e-5


def test_a_training_on_shared_rows_goes_as_on_packed_ones(base_at, tmp_path):
    """By the worker's own trainer: the same losses, held-out losses, gradient norms and numbers of tokens."""
    from harness.training.finetuning.finetune import prepare

    settings = replace(ADAPTED, adapter=Lora(rank=4), epochs=1)
    logs = []
    for number, share in enumerate((True, False)):
        folder = write_task(tmp_path, str(number), settings, base_at, micro_batch_size=4)
        rows = read_json_lines(folder / ROWS)[:12]
        for one in rows:
            one["messages"].insert(0, {"role": "system", "content": "Answer in a few words, and say where it is from."})
            one["messages"][-1]["content"] = one["messages"][-1]["content"][:8]
            one["messages"][-2]["content"] = one["messages"][-2]["content"][:8]
        write_json_lines(folder / ROWS, rows)
        write_json_lines(folder / HELD_OUT, rows[:4])
        set_seed(0)
        trainer = prepare(folder, receive(folder / TASK)).trainer
        assert trainer.data_collator.shares
        assert "places" in trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
        trainer.data_collator.shares = share
        trainer.train()
        logs.append(read_json_lines(folder / LOG))
    shared, packed = logs
    assert [line["tokens"] for line in shared] == [line["tokens"] for line in packed]
    for name in ("loss", "eval_loss", "grad_norm"):
        one, other = ([line[name] for line in log if name in line] for log in logs)
        assert one
        assert one == pytest.approx(other, rel=1e-4)


def test_whether_a_model_shares_is_tried_without_a_trace():
    model = tiny("llama").train()
    state = torch.get_rng_state()
    assert shares(model)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in model.parameters())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(2, 4), min_size=1, max_size=12), min_size=1, max_size=8), st.integers(0, 2))
def test_any_rows_in_any_layout_keep_their_losses(texts, prompt):
    rows = [row(ids, min(prompt, len(ids) - 1)) for ids in texts]
    if not any(label != IGNORED for one in rows for label in one["labels"][1:]):
        return
    model = llama()
    with torch.no_grad():
        batch = shared_batch(shared_lines(rows, lambda lines, size: cost(lines, size, 8)), rows, 1, IGNORED)
        losses, owners = target_losses(model, model.get_output_embeddings(), batch)
        sums = torch.zeros(len(rows)).index_add_(0, owners, losses)
    expected = torch.zeros(len(rows))
    for number, one in enumerate(rows):
        if len(one["input_ids"]) > 1:
            with torch.no_grad():
                logits = model(torch.tensor([one["input_ids"]]), use_cache=False).logits[0, :-1].float()
            labels = torch.tensor(one["labels"][1:])
            expected[number] = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    assert torch.allclose(sums, expected, rtol=1e-4, atol=1e-4)
