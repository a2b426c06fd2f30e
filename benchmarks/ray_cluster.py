"""Jobs on a Ray cluster: what a machine that dies changes, and what Ray costs.

    python benchmarks/ray_cluster.py [--rounds 10] [--tasks 3] [-k "wiki_only or with_kilt"]

All on this machine: a cluster of three nodes of one CPU each, none of which sees the session's disk, and a store in a
bucket on loopback (moto). In each round the demo's gates (scale tiny) are measured from nothing, and one of the nodes is
killed at a random moment; then every checkpoint's weights and every verdict are compared with those of a session without
a cluster. The second part trains the same task, of about a minute, as a local process and in a slot of the cluster, in
turn, and prints the ratio of the medians.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from typing import Any

import duckdb

from benchmarks.loopback import CREDENTIALS, new_bucket, s3_server

ROOT = Path(__file__).parent.parent
NODES, EPOCHS = 3, 40
OPTIONS = ["--scale", "tiny", "-m", "gate", "-p", "no:cacheprovider"]
NEWEST = "SELECT gate, verdict, estimate FROM gates WHERE run_id = (SELECT max(run_id) FROM gates) ORDER BY gate"


class Machines:
    """A cluster on this machine: a head without CPUs, and nodes that can be killed."""

    def __init__(self, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(nodes)]
        self.cluster.wait_for_nodes()
        self.address = self.cluster.address

    def kill(self, node: Any) -> None:
        """As when its power fails."""
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        """Let go of the head, then end all."""
        self.cluster.global_state.disconnect()
        self.cluster.shutdown()


def session(store: str, folder: Path, words: str, *more: str) -> subprocess.Popen[bytes]:
    """A pytest process as on a machine of its own."""
    folder.mkdir(parents=True)
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HARNESS_RAY_COPY": "1",
    }
    command = [sys.executable, "-m", "pytest", "suites/", *OPTIONS, "-k", words, *more]
    places = ["--store", store, "--results", str(folder / "results.duckdb")]
    log = (folder / "said.txt").open("wb")
    return subprocess.Popen([*command, *places], cwd=ROOT, env=environment, stdout=log, stderr=log)


def found(store: Path, folder: Path) -> tuple[dict[str, dict[str, str]], list[tuple[str, str, float]]]:
    """Each checkpoint's files with their SHA-256, and the verdicts."""
    weights = {}
    for path in sorted(store.glob("checkpoints/*/manifest.json")):
        files = json.loads(path.read_text())["files"]
        weights[path.parent.name] = {
            name: file["sha256"] for name, file in files.items() if name.endswith(".safetensors")
        }
    with duckdb.connect(str(folder / "results.duckdb"), read_only=True) as results:
        return weights, results.execute(NEWEST).fetchall()


def rounds(count: int, words: str, folder: Path) -> bool:
    """Whether weights and verdicts were the same in all."""
    began = time.monotonic()
    if session(str(folder / "local-store"), folder / "local", words).wait() not in (0, 1):
        raise SystemExit((folder / "local" / "said.txt").read_text())
    seconds = time.monotonic() - began
    expected = found(folder / "local-store", folder / "local")
    print(
        f"without a cluster: {len(expected[0])} checkpoints, {len(expected[1])} verdicts, {seconds:.0f} s", flush=True
    )
    draw, same = random.Random(0), 0
    with s3_server() as server:
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=server)
        for number in range(count):
            os.environ["XDG_CACHE_HOME"] = str(folder / f"nodes-{number}")
            machines = Machines(NODES)
            os.environ["RAY_ADDRESS"] = machines.address
            where = folder / f"round-{number}"
            began, running = time.monotonic(), session(new_bucket(server), where, words, "--executor", "ray")
            at = draw.uniform(0.2, 1.0) * seconds
            while running.poll() is None and time.monotonic() - began < at:
                time.sleep(0.1)
            killed = running.poll() is None
            if killed:
                machines.kill(draw.choice(machines.nodes))
            status = running.wait()
            cache = next((where / "cache" / "harness" / "stores").iterdir())
            equal = status in (0, 1) and found(cache, where) == expected
            same += equal
            said = (where / "said.txt").read_text()
            print(
                f"round {number + 1}: {'a node killed' if killed else 'over before'} at {at:.0f} s, "
                f"{said.count('its machine was lost')} jobs lost theirs, {time.monotonic() - began:.0f} s, "
                f"{'the same weights and verdicts' if equal else 'NOT the same: ' + said[-2000:]}",
                flush=True,
            )
            machines.close()
            shutil.rmtree(where)
    print(f"{same} of {count} rounds had the weights, bit for bit, and the verdicts of a session without a cluster")
    return same == count


def written_task(store: Path, key: str) -> Path:
    """The folder of a training that takes about a minute."""
    from harness import Architecture, Dataset, Embedded, Mix, Pretrain
    from harness.data.reading.rows import EMBEDDED
    from harness.worker.messages import ROWS, TASK, TrainingTask, send

    shape = Architecture(
        hidden_size=32,
        layers=2,
        heads=2,
        key_value_heads=2,
        intermediate_size=64,
        vocabulary_size=300,
        context_length=64,
    )
    rows = Mix(Dataset(name="stories", tiny=Embedded("stories", text="text")).rows(tiny=12))
    stage = Pretrain(data=rows, learning_rate=5e-3, warmup_steps=3, epochs=EPOCHS, effective_batch_size=4)
    folder = store / "checkpoints" / f"{key}.partial"
    folder.mkdir(parents=True)
    lines = (EMBEDDED / "stories.jsonl").read_text().splitlines()[:12]
    texts = [json.loads(line)["text"] for line in lines]
    given = [{"id": str(i), "source": "", "origin": "", "text": text} for i, text in enumerate(texts)]
    (folder / ROWS).write_text("".join(json.dumps(row) + "\n" for row in given))
    task = TrainingTask(
        makes=key, name="benchmark", kind="pretrain", architecture=shape, settings=stage.settings,
        micro_batch_size=2, save_steps=200,
    )  # fmt: skip
    send(folder / TASK, task)
    return folder


def overhead(count: int, folder: Path) -> None:
    """The same task here and in a slot, in turn."""
    import ray

    from harness.jobs.pool import WorkerPool
    from harness.jobs.ray.cluster import Cluster
    from harness.jobs.ray.pool import RayPool

    machines, store = Machines(1), folder / "store"
    os.environ.update(RAY_ADDRESS=machines.address, HARNESS_RAY_COPY="1")
    cluster = Cluster("ray", store, on_gpus=False, bfloat16=False)
    store.mkdir(parents=True)
    cluster.join()
    began = time.perf_counter()
    cluster.take("cpu@1", "benchmark", lambda why: None, lambda: False)
    placed = time.perf_counter() - began
    pools = {"cpu": WorkerPool(), "cpu@1": RayPool(cluster.slot, store)}
    took: dict[str, list[float]] = {device: [] for device in pools}
    for number in range(count):
        for device, pool in pools.items():
            task = written_task(store, f"{number}-{device}")
            began = time.perf_counter()
            pool.run("harness.training", task, device, "benchmark").wait()
            took[device].append(time.perf_counter() - began)
    cluster.give_back()
    machines.close()
    assert not ray.is_initialized()
    here, there = (statistics.median(took[device]) for device in pools)
    print(f"a task of {here:.1f} s as a local process takes {there:.1f} s in a slot, {there / here:.3f} times ", end="")
    print(f"(aim: at most 1.05; medians of {count} in turn); the first use of a slot takes {placed:.1f} s more")


def main() -> None:
    """Both parts; exit status 1 where a round differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="0: leave that part out")
    parser.add_argument("--tasks", type=int, default=3, help="of each kind; 0: leave that part out")
    parser.add_argument("-k", dest="words", default="wiki_only or with_kilt")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        same = not asked.rounds or rounds(asked.rounds, asked.words, Path(folder) / "rounds")
        if asked.tasks:
            overhead(asked.tasks, Path(folder) / "tasks")
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
