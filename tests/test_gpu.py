"""On a GPU: what `benchmarks/gpu.py` verifies, step by step, and what it does not ask. `pytest -m gpu` runs these alone."""

import gc

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lm_eval")

from benchmarks.on_gpu import asked, numbers, training, warm
from benchmarks.on_gpu.checks import Checks
from harness.environment import computes_bfloat16, environment
from harness.errors import DeviceError

DEVICE = "cuda:0"
STEPS = [(part, step) for part in (numbers, training, warm) for step in part.steps(Checks("", {}, None), DEVICE, False)]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture(autouse=True)
def emptied():
    yield
    gc.collect()
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.mark.parametrize(("part", "step"), STEPS, ids=[step for _, step in STEPS])
def test_what_the_benchmark_verifies_holds(part, step):
    torch.cuda.init()
    checks = Checks(part.__name__, environment(), None)
    part.steps(checks, DEVICE, False)[step]()
    assert checks.checks or checks.tables
    assert [check for check in checks.checks if not check["holds"]] == []


def test_bfloat16_is_what_the_hardware_computes():
    assert computes_bfloat16(DEVICE) == torch.cuda.is_bf16_supported(including_emulation=False)


def test_records_name_the_gpu_and_its_libraries():
    found = environment()
    assert found["gpu"] == torch.cuda.get_device_name(DEVICE)
    assert found["cuda"] == torch.version.cuda
    assert {"driver", "cudnn"} <= set(found)


def test_a_model_that_does_not_fit_is_said_to_be_too_large():
    from harness.models.__main__ import failures_explained

    whole = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(50 * 2**20 / whole)
    with pytest.raises(DeviceError, match="memory ran out"), failures_explained("."):
        asked.engine(DEVICE, "float32")


def test_fixed_batches_give_the_same_answers_bit_for_bit_whatever_is_free():
    one = asked.engine(DEVICE, "float32")
    one.size_batches(fixed=True)
    requests, ids = asked.requests(one.tokenizer), asked.prompts(one)
    names = [str(number) for number in range(len(ids))]

    def answers():
        return one.scorer.score(requests), [made.ids for made in one.complete(names, ids, asked.NEW)]

    before = answers()
    free, _ = torch.cuda.mem_get_info(DEVICE)
    held = torch.empty(int(free * 0.8), dtype=torch.uint8, device=DEVICE)
    assert answers() == before
    del held


def test_a_long_tree_takes_no_memory_for_the_square_of_its_length():
    from harness.models.prefixes.trie import Request

    one = asked.engine(DEVICE, "bfloat16")
    shared = [11] * 600
    requests = [Request(str(i), [*shared, 20 + i % 997, 30 + i % 991], [7, 9]) for i in range(60_000)]
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    one.scorer.score(requests)
    assert torch.cuda.max_memory_allocated() - before < 4 * 2**30, "one row of all has a mask of 3.8 GB a copy"
