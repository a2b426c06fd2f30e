"""The training worker as a process: killed, stopped, resumed, diverged, out of disk."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.fingerprint.values import sha256
from tests.projects import ROOT, environment

pytest.importorskip("torch")
pytest.importorskip("trl")

ARCHITECTURE = {
    "hidden_size": 32, "layers": 2, "heads": 2, "key_value_heads": 2, "intermediate_size": 64,
    "vocabulary_size": 300, "context_length": 64, "tied_embeddings": True, "head_size": None, "family": "llama",
}  # fmt: skip
SETTINGS = {
    "learning_rate": 5e-3, "min_learning_rate": 5e-4, "warmup_steps": 3, "schedule": "cosine", "epochs": 2,
    "effective_batch_size": 4, "weight_decay": 0.1, "betas": [0.9, 0.95], "epsilon": 1e-8, "max_grad_norm": 1.0,
    "precision": "auto", "optimizer": "adamw", "packing": True, "block_length": None,
}  # fmt: skip
ADAPTED = {
    **SETTINGS, "adapter": {"rank": 4, "alpha": 8, "dropout": 0.1}, "quantization": None, "max_length": 160,
    "template": "base",
}  # fmt: skip


def corpus(name: str, count: int) -> list[dict]:
    lines = (ROOT / "harness" / "data" / "mini" / f"{name}.jsonl").read_text().splitlines()[:count]
    return [json.loads(line) for line in lines]


def task(folder: Path, stage: str, settings: dict, base_at: dict | None = None, epochs: float = 2) -> Path:
    """A folder with rows and spec, as the session writes it."""
    folder.mkdir(parents=True)
    if stage == "finetune":
        rows = [
            {
                "messages": [
                    {"role": "user", "content": row["instruction"]},
                    {"role": "assistant", "content": row["output"]},
                ]
            }
            for row in corpus("instructions", 40)
        ]
    else:
        rows = [{"text": row["text"]} for row in corpus("stories", 12)]
    rows = [{**row, "id": str(i), "source": "t", "origin": f"t:{i}"} for i, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "held_out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:4]))
    spec = {
        "stage": stage, "name": "test", "base": {"architecture": ARCHITECTURE}, "base_at": base_at, "base_name": "base",
        "settings": {**settings, "epochs": epochs}, "micro_batch_size": 2, "seed": 0, "device": "cpu", "threads": 1,
        "save_steps": 4, "eval_steps": None, "track": None,
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder


def start(folder: Path) -> subprocess.Popen:
    with (folder / "worker.log").open("ab") as log:
        command = [sys.executable, "-m", "harness.training", str(folder)]
        return subprocess.Popen(command, env=environment(), stdout=log, stderr=log)


def finish(folder: Path) -> int:
    return start(folder).wait(timeout=300)


def weights(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in (folder / "made").glob("*.safetensors")}


def step_reached(folder: Path) -> int:
    log = folder / "log.jsonl"
    lines = [line for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
    return json.loads(lines[-1])["step"] if lines else 0


def kill_at_step(folder: Path, step: int, how: int = signal.SIGKILL) -> int:
    """Start the worker, send the signal once it has passed the step; its exit status."""
    process = start(folder)
    deadline = time.monotonic() + 240
    while process.poll() is None and step_reached(folder) < step and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(how)
    return process.wait(timeout=120)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Path:
    folder = task(tmp_path_factory.mktemp("pretrain") / "whole", "pretrain", SETTINGS)
    assert finish(folder) == 0, (folder / "worker.log").read_text()
    return folder


def test_pretraining_killed_at_random_steps_ends_bit_identical(pretrained, tmp_path):
    folder = task(tmp_path / "killed", "pretrain", SETTINGS)
    total = json.loads((pretrained / "record.json").read_text())["optimizer_steps"]
    for step in sorted(random.Random().sample(range(1, total), 2)):
        kill_at_step(folder, step)
        assert not (folder / "record.json").exists()
    assert finish(folder) == 0
    assert weights(folder) == weights(pretrained)
    steps = [
        line["step"]
        for line in map(json.loads, (folder / "made" / "training_log.jsonl").read_text().splitlines())
        if "loss" in line
    ]
    assert steps == list(range(1, total + 1))


def test_adapter_with_dropout_killed_at_a_random_step_ends_bit_identical(pretrained, tmp_path):
    base = {"path": str(pretrained / "made")}
    whole, killed = (task(tmp_path / name, "finetune", ADAPTED, base) for name in ("whole", "killed"))
    assert finish(whole) == 0, (whole / "worker.log").read_text()
    kill_at_step(killed, random.Random().randrange(5, 19))
    assert finish(killed) == 0
    assert weights(killed) == weights(whole)
    assert list(weights(whole)) == ["adapter_model.safetensors"]


def test_a_half_saved_step_is_passed_over(pretrained, tmp_path):
    folder = task(tmp_path / "half", "pretrain", SETTINGS)
    kill_at_step(folder, 9)
    newest = max((folder / "trainer").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (newest / "optimizer.pt").unlink()  # without it a Trainer would silently start its optimizer afresh
    assert finish(folder) == 0
    assert weights(folder) == weights(pretrained)


def test_a_stopped_training_is_resumable(pretrained, tmp_path):
    folder = task(tmp_path / "stopped", "pretrain", SETTINGS)
    assert kill_at_step(folder, 6, signal.SIGTERM) == 75
    assert any((folder / "trainer").glob("checkpoint-*/complete.json"))
    assert finish(folder) == 0
    assert weights(folder) == weights(pretrained)


def test_a_checkpoint_holds_nothing_that_unpickles(pretrained):
    names = {path.name for path in (pretrained / "made").rglob("*") if path.is_file()}
    assert "model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_a_loss_that_is_not_finite_ends_training_naming_step_and_rows(tmp_path):
    folder = task(
        tmp_path / "diverged",
        "pretrain",
        {**SETTINGS, "learning_rate": 1e30, "min_learning_rate": 0, "warmup_steps": 0},
    )
    assert finish(folder) == 1
    problem = json.loads((folder / "error.json").read_text())["problem"]
    assert "at step 2" in problem or "at step 3" in problem
    assert "in a batch that starts with '" in problem
    assert not (folder / "made").exists()


def test_a_row_without_room_for_the_answer_is_an_error(pretrained, tmp_path):
    folder = task(tmp_path / "long", "finetune", {**ADAPTED, "max_length": 8}, {"path": str(pretrained / "made")})
    assert finish(folder) == 1
    told = json.loads((folder / "error.json").read_text())
    assert told["kind"] == "DataError"
    assert "none of the first 8 of its" in told["problem"]


def test_a_damaged_base_is_named(pretrained, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(pretrained / "made", base)
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    folder = task(tmp_path / "on_damage", "finetune", ADAPTED, {"path": str(base)})
    assert finish(folder) == 1
    told = json.loads((folder / "error.json").read_text())
    assert told["kind"] == "StoreError"
    assert str(base) in told["problem"]


def test_held_out_loss_is_kept_row_by_row_and_falls(pretrained):
    losses = json.loads((pretrained / "made" / "held_out_losses.json").read_text())
    assert losses["before"].keys() == losses["after"].keys() == {"0", "1", "2", "3"}
    assert sum(losses["after"].values()) < sum(losses["before"].values())


@pytest.mark.parametrize("optimizer", ["adamw_fused", "adamw_8bit"])
def test_another_optimizer_learns_as_well(pretrained, tmp_path, optimizer):
    folder = task(tmp_path / optimizer, "pretrain", {**SETTINGS, "optimizer": optimizer}, epochs=1)
    assert finish(folder) == 0, (folder / "worker.log").read_text()
    losses = json.loads((folder / "made" / "held_out_losses.json").read_text())
    assert sum(losses["after"].values()) < 0.95 * sum(losses["before"].values())
    assert weights(folder) != weights(pretrained)
