"""The embedding worker: the nearest passages of each question, by a real model of sentence-transformers."""

import json
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from safetensors.torch import load_file

from harness.models.embedding.__main__ import loaded
from harness.worker.child import ERROR
from harness.worker.messages import NEAREST, REQUEST, NearestRequest, receive, send
from harness.worker.places import Directory
from tests.vectors import counting, short_sighted

PASSAGES = (
    "the valve of pump seven burst",
    "a lighthouse stood there",
    "the pump was a valve",
    "a lighthouse stood there",
)


def found(folder, model, questions, k=2):
    """What the worker wrote, and its exit status."""
    asked = NearestRequest(
        model=Directory(str(model)), device="cpu", threads=1, k=k, passages=PASSAGES, questions=questions
    )
    folder.mkdir(exist_ok=True)
    send(folder / REQUEST, asked)
    ended = subprocess.run([sys.executable, "-m", "harness.models.embedding", str(folder)], capture_output=True)
    return json.loads((folder / NEAREST).read_text()) if ended.returncode == 0 else None, ended.returncode


def test_the_nearest_come_first_and_of_equal_ones_the_first(tmp_path):
    model = counting(tmp_path / "model", list(PASSAGES))
    told, _ = found(tmp_path / "asked", model, ("Which valve burst ?", "a tall lighthouse", "pump valve"), k=3)
    assert told == {"nearest": [[0, 2, 1], [1, 3, 2], [2, 0, 1]], "cut": 0, "reads": None}


def test_passages_that_are_longer_than_it_reads_are_counted(tmp_path):
    model = short_sighted(tmp_path / "model", list(PASSAGES), reads=5)
    told, _ = found(tmp_path / "asked", model, ("a lighthouse",))
    assert (told["cut"], told["reads"]) == (1, 5)


def test_vectors_are_computed_in_float32_whatever_the_model_is_stored_in(tmp_path):
    exact = short_sighted(tmp_path / "exact", list(PASSAGES), reads=16)
    half = short_sighted(tmp_path / "half", list(PASSAGES), reads=16, dtype="bfloat16")
    stored = [load_file(next(model.rglob("*.safetensors"))) for model in (exact, half)]
    assert [next(iter(weights.values())).dtype for weights in stored] == [torch.float32, torch.bfloat16]
    request = NearestRequest(
        model=Directory(str(half)), device="cpu", threads=1, k=1, passages=PASSAGES, questions=("pump",)
    )
    assert loaded(request).encode_query(["pump"], convert_to_tensor=True).dtype == torch.float32


@pytest.mark.parametrize("damage", ["modules.json", "model.safetensors"])
def test_a_damaged_model_is_named(tmp_path, damage):
    model = counting(tmp_path / "model", list(PASSAGES))
    (model / damage).write_bytes(b"no such thing")
    _, status = found(tmp_path / "asked", model, ("a lighthouse",))
    error = receive(tmp_path / "asked" / ERROR)
    assert (status, error.kind) == (1, "StoreError")
    assert f"embedding model {model} cannot be loaded" in error.problem
