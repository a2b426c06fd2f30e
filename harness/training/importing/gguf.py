"""A GGUF file, as llama.cpp reads it -> the model in float32 and its tokenizer, as transformers read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.training.shared.prepared import Prepared
from harness.worker.messages import TrainingTask
from harness.worker.places import GgufFile

MAGIC = b"GGUF"
TOKENS = "tokenizer.ggml.tokens"


def prepare(task: TrainingTask) -> Prepared:
    """The model and the tokenizer in the file.

    Quantized weights become the float32 numbers that they stand for. Raises DataError for a file that is cut, of an
    architecture that transformers do not read, without a tokenizer, or that lacks some of the model's weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert isinstance(task.base, GgufFile)
    path = Path(task.base.path)
    _check(path)
    with _failures_explained(path):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model, loading = loaded
    missing = sorted(loading["missing_keys"])
    if missing:  # they would have random values
        raise DataError(f"{path} lacks {len(missing)} weights of its architecture (first: {missing[0]}).")
    return Prepared(None, tokenizer, model=_without_quantization(model))


def _check(path: Path) -> None:
    """Raise DataError for another kind of file, for one that ends before its tensors do, or has no tokenizer."""
    from gguf import GGUFReader

    with path.open("rb") as file:
        begins = file.read(len(MAGIC))
    if begins != MAGIC:
        raise DataError(f"{path} is not a GGUF file: it begins with {begins!r}, not with {MAGIC!r}.")
    try:
        reader = GGUFReader(path)  # finds the place of every tensor, and reads none
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(
            f"{path} is cut or damaged: its {path.stat().st_size:,} bytes do not hold what it lists ({error}).",
            "Copy or download it again.",
        ) from error
    if TOKENS not in reader.fields:
        raise DataError(f"{path} has no tokenizer ({TOKENS}).", "Convert the model again, together with its tokenizer.")


def _without_quantization(model: Any) -> Any:
    """The same weights in a model whose configuration says nothing of how the file stored them."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._name_or_path = ""
    plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain.eval()


@contextmanager
def _failures_explained(path: Path) -> Iterator[None]:
    """In this context a library's failure to read the file becomes a DataError that names it."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, OSError, NotImplementedError) as error:
        first = str(error).strip().split("\n")[0][:300]
        raise DataError(
            f"{path} cannot be read as a GGUF file: {first}",
            "Use a whole file of an architecture that transformers read from GGUF, or a folder with safetensors.",
        ) from error
