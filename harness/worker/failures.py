"""A library's error for too little memory or a failed GPU -> a DeviceError that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import DeviceError, HarnessError

REMEDIES = {
    "no kernel image": "This build of PyTorch has no code for this GPU: install one that has, or name another with --gpu.",
    "assert": "Run on the CPU (without --gpu) to see where.",
    "ECC": "Its memory is faulty, `nvidia-smi -q` says more: name another with --gpu.",
}
OTHER_REMEDY = "Look at `nvidia-smi` and the worker's log; run on the CPU (without --gpu), or name another GPU."
NO_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")


@contextmanager
def memory_errors_explained(remedy: str) -> Iterator[None]:
    """Turns running out of memory, on a GPU or on the CPU, into a DeviceError with that remedy."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        if not says_out_of_memory(error):
            raise
        raise DeviceError(f"memory ran out: {_first_line(error)}", remedy) from error


@contextmanager
def gpu_errors_explained() -> Iterator[None]:
    """Turns a GPU's failure into a DeviceError. The process can compute nothing more on that GPU."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        if type(error).__name__ != "AcceleratorError" and "CUDA error" not in str(error):
            raise
        remedy = next((told for words, told in REMEDIES.items() if words in str(error)), OTHER_REMEDY)
        raise DeviceError(f"the GPU failed: {_first_line(error)}", remedy) from error


def says_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory ran out, on any device."""
    is_its_type = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return is_its_type or any(words in str(error) for words in NO_MEMORY)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
