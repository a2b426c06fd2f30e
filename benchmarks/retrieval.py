"""How often the right passage is found, by words and by vectors, over the new facts that the recipes teach.

    python benchmarks/retrieval.py [--embeddings NAME ...]

No language model is asked: a question counts as found when one of its k best passages is of the item that it asks about.
Questions about neighbouring and invented items have none, and are left out. `wordllama` stands for the static token
vectors of the wheel wordllama==0.4.0.post1 (256 dimensions, MIT), which pip fetches; any other name is a model of
sentence-transformers, on the hub or in a folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.setting import machine
from harness import Dataset, Mix, Retrieve, Sample
from harness.data.reading.rows import Access, load
from harness.evaluation.asking.passages import Passages, read_passages
from harness.worker.messages import NEAREST, REQUEST, NearestRequest, send
from harness.worker.places import Directory, HubModel
from recipes.datasets import EVENT_QUESTIONS, EVENTS_2025, SOFTWARE_DEFECT_QUESTIONS, SOFTWARE_DEFECTS

WHEEL, INSIDE = "wordllama==0.4.0.post1", "wordllama"
DEPTHS = (1, 3, 5)
DOMAINS = {  # name: passages, questions
    "defects": (Mix(SOFTWARE_DEFECTS.rows(145)), SOFTWARE_DEFECT_QUESTIONS),
    "events": (Mix(EVENTS_2025.rows(100)), EVENT_QUESTIONS),
}


def main() -> None:
    """Print the table: for each domain and way to search, the share of questions whose passage is among the k best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", nargs="*", default=["wordllama"])
    names = parser.parse_args().embeddings
    places = {name: static_vectors() if name == "wordllama" else name for name in names}
    print(f"{machine('cpu')}\n\n| | questions |" + "".join(f" k = {k} |" for k in DEPTHS))
    print("|---|---|" + "---|" * len(DEPTHS))
    for domain, (data, asked) in DOMAINS.items():
        for name in (None, *names):
            found = places_of_right(data, asked, places[name] if name else None)
            shares = "".join(f" {sum(place < k for place in found) / len(found):.3f} |" for k in DEPTHS)
            print(f"| {domain}: {name or 'BM25'} | {len(found)} |{shares}", flush=True)


def places_of_right(data: Mix, asked: Dataset, embeddings: str | None) -> list[int]:
    """For each question that a passage tells of, the place of the first right one among the best; beyond all if none."""
    access = Access("mini")
    lookup = Retrieve(data=data, k=max(DEPTHS), embeddings=embeddings)
    passages = Passages(lookup, read_passages(lookup, access, "retrieval").rows, "retrieval")
    rows = load(asked, access, raw=True).rows
    samples = [Sample(id=row["id"], prompt=row["question"], cluster=row["item"]) for row in rows]
    samples = [sample for sample in samples if passages.findable(sample)]
    if embeddings is not None:
        passages.nearest = nearest(passages.texts, [sample.text for sample in samples], embeddings)
    right = [[passage.right for passage in passages.of(sample)] for sample in samples]
    return [found.index(True) if True in found else max(DEPTHS) for found in right]


def nearest(passages: list[str], questions: list[str], embeddings: str) -> dict[str, list[int]]:
    """As a session has it found: by the embedding worker, a process of its own."""
    place = Directory(embeddings) if Path(embeddings).is_dir() else HubModel(embeddings, None)
    asked = NearestRequest(
        model=place, device="cpu", threads=2, k=max(DEPTHS), passages=tuple(passages), questions=tuple(questions)
    )
    with tempfile.TemporaryDirectory() as folder:
        send(Path(folder, REQUEST), asked)
        subprocess.run([sys.executable, "-m", "harness.models.embedding", folder], check=True, cwd=ROOT)
        return dict(zip(questions, json.loads(Path(folder, NEAREST).read_text())["nearest"], strict=True))


def static_vectors() -> str:
    """The folder of the wheel's token vectors as a model of sentence-transformers, made where it is missing."""
    folder = ROOT / ".bench" / "benchmarks" / INSIDE
    if (folder / "modules.json").exists():
        return str(folder)
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    with tempfile.TemporaryDirectory() as made:
        fetched = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            made,
            WHEEL,
        ]
        subprocess.run(fetched, check=True)
        with zipfile.ZipFile(next(Path(made).glob("*.whl"))) as wheel:
            wheel.extractall(made, [name for name in wheel.namelist() if "l2_supercat" in name and ".toml" not in name])
        vectors = load_file(Path(made, INSIDE, "weights", "l2_supercat_256.safetensors"))["embedding.weight"].float()
        words = Tokenizer.from_file(str(Path(made, INSIDE, "tokenizers", "l2_supercat_tokenizer_config.json")))
        model = SentenceTransformer(modules=[StaticEmbedding(words, embedding_weights=vectors)], device="cpu")
    folder.parent.mkdir(parents=True, exist_ok=True)
    model.save(str(folder))
    return str(folder)


if __name__ == "__main__":
    main()
