"""Steps of decoding as graphs: which shapes are computed, when one is recorded, and what is not. No GPU is needed."""

from contextlib import contextmanager, nullcontext
from typing import ClassVar

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering import replay, slots
from harness.models.answering.generation import Prompt
from harness.models.answering.replay import RECORDED_AT, Steps, rounded
from tests.generating import generator_of, one_by_one
from tests.tiny_models import TREE, tiny


class RecordedGraph:
    """A graph of CUDA as far as it can be had on a CPU: a replay computes again what stood in its context."""

    made: ClassVar[list["RecordedGraph"]] = []

    def __init__(self):
        self.replayed, self.shared_with, self.is_reset = 0, None, False
        self.made.append(self)

    def replay(self):
        self.replayed += 1
        self.found.copy_(self.again())

    def pool(self):
        return self

    def reset(self):
        self.is_reset = True


class StreamOf:
    def __init__(self, device):
        self.device = device


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Steps record and replay on this CPU; the list of graphs made."""
    computing = replay.Steps._computed

    def computed(self, compute, rows, width):
        found = computing(self, compute, rows, width)
        if RecordedGraph.made and not hasattr(RecordedGraph.made[-1], "found"):  # it is being recorded
            RecordedGraph.made[-1].found = found
            RecordedGraph.made[-1].again = lambda: computing(self, compute, rows, width)
        return found

    @contextmanager
    def recording(graph, pool, stream, capture_error_mode):
        graph.shared_with = pool
        assert stream.device == torch.device("cpu"), "of the tensors' own device"
        yield

    made = []
    monkeypatch.setattr(RecordedGraph, "made", made)
    monkeypatch.setattr(replay.Steps, "_computed", computed)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", RecordedGraph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "Stream", StreamOf)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda _: None)
    whole = slots.Slots.__init__

    def made_slots(self, model, size, capacity, prefix=None):
        whole(self, model, size, capacity, prefix)
        self.steps = Steps(size, capacity, torch.device("cpu"))

    monkeypatch.setattr(slots.Slots, "__init__", made_slots)
    return made


@pytest.mark.parametrize(
    ("count", "width", "shape"),
    [(1, 1, (1, 90)), (3, 40, (4, 90)), (5, 91, (6, 90)), (6, 90, (6, 90))],
)
def test_shapes_are_rounded_up_as_far_as_there_is_room(count, width, shape):
    assert rounded(count, min(width, 90), size=6, capacity=90) == shape


def test_widths_are_rounded_to_a_multiple_where_there_is_room():
    assert rounded(9, 129, size=64, capacity=1000) == (16, 256)
    assert rounded(16, 128, size=64, capacity=1000) == (16, 128)


@pytest.mark.parametrize("name", TREE)
def test_rounded_and_replayed_steps_choose_the_tokens_of_plain_passes(name, on_a_gpu):
    model = tiny(name)
    asked = [Prompt(f"{i}", [i + 1, 9, *range(i % 4)], 4 + 5 * (i % 3)) for i in range(7)]
    generator = generator_of(model)
    generator.slots = 5  # some wait, and enter slots in which padding has computed
    found = generator.complete(asked, [3])
    assert [one.ids for one in found] == [one_by_one(model, prompt, [3]) for prompt in asked]
    assert sum(graph.replayed for graph in on_a_gpu) > 2
    assert all(graph.is_reset for graph in on_a_gpu), "their memory is given up with the slots"
    assert {graph.shared_with for graph in on_a_gpu} <= {None, on_a_gpu[0]}, "all compute in the memory of the first"


def test_a_shape_is_recorded_when_it_is_asked_for_often(on_a_gpu):
    steps, calls = Steps(4, 8, torch.device("cpu")), []

    def compute(tokens, lengths, width):
        calls.append((len(tokens), width))
        return (tokens + lengths)[:, None].float()

    for times in range(RECORDED_AT):
        assert not on_a_gpu, f"after {times}"
        assert steps.states(compute, [7, 8, 9], [1, 2, 3]).tolist() == [[8], [10], [12]]
    assert calls == [(4, 8)] * (RECORDED_AT + 1), "recording computes it once more"
    assert steps.states(compute, [1, 1, 1], [1, 1, 2]).tolist() == [[2], [2], [3]], "a graph reads what is asked now"
    assert [graph.replayed for graph in on_a_gpu] == [1]


def test_a_model_that_waits_for_the_gpu_is_computed_kernel_by_kernel(on_a_gpu, monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def compute(tokens, lengths, width):
        if modes and modes[-1] == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        return tokens[:, None].float()

    steps = Steps(2, 8, torch.device("cpu"))
    for _ in range(2 * RECORDED_AT):
        assert steps.states(compute, [7, 8], [1, 2]).tolist() == [[7], [8]]
    assert (on_a_gpu, steps.records, modes) == ([], False, ["error", 0])


def test_a_step_that_cannot_be_recorded_is_computed_all_the_same(on_a_gpu, monkeypatch):
    """Not every operation that cannot be recorded is known before."""

    @contextmanager
    def recording(*_, **__):
        yield
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", recording)
    steps = Steps(2, 8, torch.device("cpu"))
    for _ in range(2 * RECORDED_AT):
        assert steps.states(lambda tokens, *_: tokens[:, None].float(), [7, 8], [1, 2]).tolist() == [[7], [8]]
    assert (steps.records, steps.graphs) == (False, {})


def test_memory_that_runs_out_while_recording_is_not_taken_for_waiting(on_a_gpu):
    def compute(tokens, lengths, width):
        if steps.asked[2, 8] == RECORDED_AT:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return tokens[:, None].float()

    steps = Steps(2, 8, torch.device("cpu"))
    for _ in range(RECORDED_AT - 1):
        steps.states(compute, [7, 8], [1, 2])
    with pytest.raises(torch.OutOfMemoryError):
        steps.states(compute, [7, 8], [1, 2])
