"""A GGUF file, as llama.cpp reads it -> the model in float32 and its tokenizer, as transformers read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.errors import DataError
from harness.files import sha256
from harness.training.shared.prepared import Prepared
from harness.worker.messages import TrainingTask
from harness.worker.places import GgufFile

MAGIC = b"GGUF"
VERSIONS = (2, 3)
TOKENS, MODEL, SPLITS = "tokenizer.ggml.tokens", "tokenizer.ggml.model", "tokenizer.ggml.pre"
# How text is split before byte pairs are merged, where transformers do not know it by itself (llama.cpp, src/llama-vocab.cpp).
AS_GPT2 = ("gpt-2", "phi-2", "jina-es", "jina-de", "mpt", "olmo", "jais", "trillion", "granite-docling")
DIGITS_ALONE = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")


def prepare(task: TrainingTask) -> Prepared:
    """The model and the tokenizer in the file.

    Quantized weights become the float32 numbers that they stand for. Raises DataError for a file that is not the one
    declared, is cut, of an architecture that transformers do not read, without a tokenizer, or whose weights are not
    the model's: some missing, or some that transformers would leave out.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert isinstance(task.base, GgufFile)
    path = Path(task.base.path)
    reader = _read(path, task.base.sha256)
    fields, weights = _checked(path, reader)
    # Alone in a folder: files that lie beside it, such as another model's tokenizer.json, would be read instead.
    with TemporaryDirectory() as folder, _failures_explained(path), _read_once(reader):
        (Path(folder) / "model.gguf").symlink_to(path.resolve())
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file="model.gguf", dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="model.gguf")
    model, loading = loaded
    missing = sorted(loading["missing_keys"])
    if missing:  # they would have random values
        raise DataError(f"{path} lacks {len(missing)} weights of its architecture (first: {missing[0]}).")
    used = sum(weight.numel() for weight in model.parameters())
    if sum(weights.values()) != used:
        raise DataError(
            f"{path} holds {sum(weights.values()):,} weights, of which transformers use {used:,}; what the others do "
            f"would be lost ({', '.join(sorted(weights)[-3:])}, ...).",
            "Use a folder with safetensors.",
        )
    _split_as_trained(tokenizer, fields, path)
    return Prepared(None, tokenizer, model=_without_quantization(model))


def _read(path: Path, declared: str) -> Any:
    """The file's fields and where its tensors are; no tensor is read. Raises DataError for a file not as declared."""
    from gguf import GGUFReader

    try:
        with path.open("rb") as file:
            begins, version = file.read(len(MAGIC)), int.from_bytes(file.read(4), "little")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if begins != MAGIC:
        raise DataError(f"{path} is not a GGUF file: it begins with {begins!r}, not with {MAGIC!r}.")
    if version not in VERSIONS:
        raise DataError(f"{path} is of GGUF version {version}; versions 2 and 3 are read.", "Convert the model again.")
    found = sha256(path)
    if found != declared:
        raise DataError(
            f"{path} has SHA-256 {found}, and {declared} was declared.",
            "Run again, if you have just changed the file; remove it, if it was fetched.",
        )
    try:
        return GGUFReader(path)
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(
            f"{path} is cut or damaged: its {path.stat().st_size:,} bytes do not hold what it lists ({error}).",
            "Copy or download it again.",
        ) from error


@contextmanager
def _read_once(reader: Any) -> Iterator[None]:
    """In this context transformers are given this reader, and one table of tensor names.

    By themselves they read the file's fields three more times, for the configuration, the weights and the tokenizer,
    and make that table once for each module of the model: most of the time of an import.
    """
    import gguf

    own = {"GGUFReader": gguf.GGUFReader, "get_tensor_name_map": gguf.get_tensor_name_map}
    ours = {"GGUFReader": lambda *_, **__: reader, "get_tensor_name_map": cache(gguf.get_tensor_name_map)}
    vars(gguf).update(ours)
    try:
        yield
    finally:
        vars(gguf).update(own)


def _checked(path: Path, reader: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """The file's fields that matter here, and how many weights each tensor has."""
    wanted = (MODEL, SPLITS, "split.count")
    fields = {name: reader.fields[name].contents() for name in wanted if name in reader.fields}
    if fields.get("split.count", 1) > 1:
        raise DataError(
            f"{path} is one of {fields['split.count']} parts.", "Join them first: llama-gguf-split --merge."
        )
    weights = {tensor.name: int(tensor.n_elements) for tensor in reader.tensors}
    if "rope_freqs.weight" in weights:
        raise DataError(
            f"{path} scales its positions by rope_freqs.weight, which transformers do not read from GGUF.",
            "Use a folder with safetensors: its config.json has that scaling.",
        )
    if TOKENS not in reader.fields:
        raise DataError(f"{path} has no tokenizer ({TOKENS}).", "Convert the model again, together with its tokenizer.")
    return fields, weights


def _split_as_trained(tokenizer: Any, fields: dict[str, Any], path: Path) -> None:
    """Let a byte-level tokenizer split text as the file says, also where transformers do not know that way by name.

    Otherwise numbers and blanks before them would become other tokens than those the model was trained on.
    """
    from tokenizers import pre_tokenizers
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    splits = fields.get(SPLITS)
    if fields.get(MODEL) != "gpt2" or splits in AS_GPT2 or splits in GGUF_PRE_TOKENIZER_SPLITS:
        return
    if splits not in DIGITS_ALONE:
        raise DataError(
            f"{path}: its tokenizer splits text in a way called {splits!r} ({SPLITS}), which is not known here; it would "
            "give other tokens than those the model was trained on.",
            "Use a folder with safetensors and tokenizer.json.",
        )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def _without_quantization(model: Any) -> Any:
    """The same weights in a model whose configuration says nothing of how the file stored them."""
    from accelerate import init_empty_weights

    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._name_or_path = ""
    with init_empty_weights(include_buffers=False):
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
    except (ValueError, KeyError, IndexError, TypeError, OSError, NotImplementedError, RuntimeError) as error:
        first = str(error).strip().split("\n")[0][:300]
        raise DataError(
            f"{path} cannot be read as a GGUF file: {first}",
            "Use a whole file of an architecture that transformers read from GGUF, or a folder with safetensors.",
        ) from error
