"""The embedding worker: `python -m harness.models.embedding DIR` reads DIR/request.json and writes DIR/nearest.json.

Passages and questions become vectors by the model's own pooling, normalization and prompts for documents and for queries;
nearness is its own similarity, the cosine unless its configuration says otherwise (Reimers and Gurevych 2019,
arXiv:1908.10084).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.files import write_whole
from harness.worker.child import INTERRUPTED, work_in
from harness.worker.failures import gpu_errors_explained, memory_errors_explained, says_out_of_memory
from harness.worker.messages import NEAREST, REQUEST, NearestRequest, receive
from harness.worker.places import HubModel, name_of

AT_ONCE = 256  # questions whose similarity to all passages is held in memory
DIGITS = 4  # of a similarity; what is equal in these keeps its order, so that rounding on another processor moves none


def find(folder: Path) -> int:
    """Write the places of the k nearest passages for each question, nearest first, and how many passages were cut."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    request: NearestRequest = receive(folder / REQUEST)
    torch.set_num_threads(request.threads)
    with gpu_errors_explained(), memory_errors_explained("Use a device with more memory, or a smaller model."):
        model = loaded(request)
        passages = model.encode_document(list(request.passages), convert_to_tensor=True, show_progress_bar=False)
        questions = model.encode_query(list(request.questions), convert_to_tensor=True, show_progress_bar=False)
        nearest: list[list[int]] = []
        for start in range(0, len(questions), AT_ONCE):
            near = model.similarity(questions[start : start + AT_ONCE], passages).float().cpu().numpy().round(DIGITS)
            nearest += (-near).argsort(axis=1, kind="stable")[:, : request.k].tolist()
    cut = _cut(model, request.passages)
    write_whole(
        folder / NEAREST, json.dumps({"nearest": nearest, "cut": cut, "reads": model.max_seq_length if cut else None})
    )
    return 0


def loaded(request: NearestRequest) -> Any:
    """The model in float32, from safetensors and without remote code."""
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    name = name_of(request.model)
    revision = request.model.revision if isinstance(request.model, HubModel) else None
    try:
        return SentenceTransformer(
            name, revision=revision, device=request.device, trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if says_out_of_memory(error) or "CUDA error" in str(error):
            raise
        first = str(error).strip().split("\n")[0][:300]
        raise StoreError(
            f"embedding model {name} cannot be loaded: {first}",
            "Give a model of sentence-transformers, by its hub id or as a folder.",
        ) from error


def _cut(model: Any, passages: tuple[str, ...]) -> int:
    """How many passages have more tokens than the model reads, so that only their beginning is compared."""
    most = model.max_seq_length
    if most is None or most == float("inf"):
        return 0
    prompt = model.prompts.get("document", "")
    return sum(len(model.tokenizer(prompt + text, truncation=False)["input_ids"]) > most for text in passages)


def main() -> int:
    """Exit status 0; 1 with the reason in error.json; 75 when asked to stop."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(INTERRUPTED))
    folder = Path(sys.argv[1])
    return work_in(folder, lambda: find(folder))


if __name__ == "__main__":
    sys.exit(main())
