"""What a failed device says: too little memory and a broken GPU, each with what to do; all else as it is."""

import pytest
import torch

from harness.errors import DeviceError, SuiteError
from harness.worker.failures import gpu_errors_explained, memory_errors_explained


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.5 GiB"
        ),
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_told_with_what_to_lower(error):
    with pytest.raises(DeviceError) as told, gpu_errors_explained(), memory_errors_explained("Lower it."):
        raise error
    assert told.value.problem == f"memory ran out: {str(error).splitlines()[0] if str(error) else 'MemoryError'}"
    assert told.value.remedy == "Lower it."
    assert told.value.__cause__ is error


def test_the_processor_s_own_message_counts_too():
    with pytest.raises(DeviceError, match="memory ran out: .*can't allocate memory"), memory_errors_explained(""):
        torch.empty(10**14)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (torch.AcceleratorError("CUDA error: device-side assert triggered\nCUDA kernel errors"), "without --gpu"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "nvidia-smi -q"),
        (torch.AcceleratorError("CUDA error: no kernel image is available for execution"), "no code for this GPU"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "the worker's log"),
    ],
)
def test_a_failed_gpu_is_told_and_names_what_to_look_at(error, remedy):
    with pytest.raises(DeviceError) as told, gpu_errors_explained(), memory_errors_explained("Lower it."):
        raise error
    assert told.value.problem == f"the GPU failed: {str(error).splitlines()[0]}"
    assert remedy in told.value.remedy


@pytest.mark.parametrize("error", [ValueError("odd"), SuiteError("a sample says: CUDA error, out of memory")])
def test_all_else_is_left_as_it_is(error):
    with pytest.raises(type(error)) as same, gpu_errors_explained(), memory_errors_explained("Lower it."):
        raise error
    assert same.value is error
