"""A store in a bucket: what a broken network does to it, and what a warm session against it costs.

    python benchmarks/bucket.py [--faults 1000] [--rounds 7] [-k "wiki_only or with_kilt"]

Both parts use an S3 server on loopback (moto). The first publishes artifacts from four machines, each key from two of
them at once, and fetches them on others, through a proxy that loses a quarter of all requests before or after they are
carried out, delays them, cuts their answers, or answers 500 and 503, until so many faults have been met. Then every byte
is read again without the proxy: no artifact may be damaged, none may be missing, no request may have waited for longer
than its limit. The second runs warm sessions (tiny scale; made once) against a folder and against the bucket in turn.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.loopback import CREDENTIALS, Proxy, new_bucket, s3_server
from harness.store.bucket.store import BucketStore

ROOT = Path(__file__).parent.parent
SHARE, MACHINES, AT_ONCE, LIMIT = 0.25, 4, 8, 120.0  # LIMIT: seconds, twice the patience of a request


def opened(url: str, machine: str, folder: Path) -> BucketStore:
    """The store as a machine of its own sees it."""
    os.environ["XDG_CACHE_HOME"] = str(folder / machine)
    return BucketStore(url, "project")


def content(key: str) -> bytes:
    """The bytes of an artifact, the same for all who make it, up to 200 kB."""
    draw = random.Random(key)
    return draw.randbytes(draw.randrange(1_000, 200_000))


def publish(store: BucketStore, key: str) -> float:
    """Make an artifact under its lease; the seconds that took."""
    began = time.monotonic()
    with store.lock(key, "bench"):
        if store.get("checkpoints", key) is None:
            made = store.work("checkpoints", key) / "made"
            made.mkdir(parents=True)
            (made / "model.safetensors").write_bytes(content(key))
            (made / "config.json").write_text(key)
            store.publish("checkpoints", key, made, {"stage": "bench", "base": {}}, {})
    return time.monotonic() - began


def faults(server: str, wanted: int, folder: Path) -> bool:
    """Publish and fetch through a broken network; whether all is whole."""
    url, keys, waited, began = new_bucket(server), list[str](), list[float](), time.monotonic()
    with Proxy(server, share=SHARE, delay=1.0) as proxy:
        os.environ["AWS_ENDPOINT_URL"] = proxy.address
        stores = [opened(url, f"machine-{n}", folder) for n in range(MACHINES)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while sum(proxy.injected.values()) < wanted:
                more = [hashlib.sha256(f"{len(keys) + n}".encode()).hexdigest() for n in range(AT_ONCE // 2)]
                jobs = [(stores[(n + side) % MACHINES], key) for n, key in enumerate(more) for side in (0, 1)]
                waited += pool.map(lambda job: publish(*job), jobs)
                keys += more
            reader = opened(url, "reader", folder)
            found = [reader.get("checkpoints", key) for key in keys]
            reader.bring([one for one in found if one], weights=True)
        met = dict(sorted(proxy.injected.items()))
        requests = sum(proxy.requests.values())
    os.environ["AWS_ENDPOINT_URL"] = server
    direct = opened(url, "direct", folder)
    damaged = [key for key in keys if direct.verify("checkpoints", key) is not None]
    wrong = [one.key for one in found if one and (one.path / "model.safetensors").read_bytes() != content(one.key)]
    held = direct.held()
    print(f"{sum(met.values()):,} faults in {requests:,} requests ({met}), {time.monotonic() - began:.0f} s")
    print(f"{len(keys)} artifacts made, each by two of {MACHINES} machines: {found.count(None)} missing, ", end="")
    print(f"{len(damaged)} damaged in the bucket, {len(wrong)} wrong on the reader's disk, {len(held)} leases held")
    print(f"longest wait for one artifact: {max(waited):.1f} s (limit {LIMIT:.0f} s a request)")
    for store in (*stores, reader, direct):
        store.bucket.close()
    return not (found.count(None) or damaged or wrong) and max(waited) < 10 * LIMIT


def session(store: str, folder: Path, words: str) -> float:
    """Wall-clock seconds of a pytest process on a store."""
    results = folder / ("bucket" if "://" in store else "folder") / "results.duckdb"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites/",
        "--scale",
        "tiny",
        "--store",
        store,
        "--results",
        str(results),
    ]
    began = time.perf_counter()
    done = subprocess.run([*command, "-m", "gate", "-k", words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - began


def warm(server: str, rounds: int, words: str, folder: Path) -> None:
    """Warm sessions on a folder and on a bucket in turn."""
    os.environ.update(AWS_ENDPOINT_URL=server, XDG_CACHE_HOME=str(folder / "cache"), HF_HUB_OFFLINE="1")
    url = new_bucket(server)
    session(url, folder, words)
    cache = next((folder / "cache" / "harness" / "stores").iterdir())
    shutil.copytree(cache, folder / "store")
    stores = {"folder": str(folder / "store"), "bucket": url}
    took: dict[str, list[float]] = {name: [] for name in stores}
    for number in range(rounds + 1):
        for name, store in stores.items():
            seconds = session(store, folder, words)
            took[name] += [seconds] if number else []  # the first of each writes caches
    middle = {name: statistics.median(seconds) for name, seconds in took.items()}
    print(f"warm session: {middle['folder']:.2f} s on a folder, {middle['bucket']:.2f} s on a bucket, ", end="")
    print(f"ratio {middle['bucket'] / middle['folder']:.2f} (aim: at most 1.5; medians of {rounds} in turn)")


def main() -> None:
    """Both parts; exit status 1 where something was lost or damaged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000, help="to be met at least; 0: leave that part out")
    parser.add_argument("--rounds", type=int, default=7, help="warm sessions of each kind; 0: leave that part out")
    parser.add_argument("-k", dest="words", default="wiki_only or with_kilt")
    asked = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with s3_server() as server, tempfile.TemporaryDirectory() as folder:
        whole = not asked.faults or faults(server, asked.faults, Path(folder) / "faults")
        if asked.rounds:
            warm(server, asked.rounds, asked.words, Path(folder))
    raise SystemExit(0 if whole else 1)


if __name__ == "__main__":
    main()
