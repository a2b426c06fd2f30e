"""Workers on other machines, seen without a cluster: a node's side called directly, its worker processes real."""

import json
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.environment import LIBRARIES, version_of
from harness.errors import DeviceError, HarnessError, WorkerFailed
from harness.jobs.process import DeviceLost
from harness.jobs.ray.cluster import Cluster
from harness.jobs.ray.mirror import Mirror
from harness.jobs.ray.needed import files_in, keys_in, moved
from harness.jobs.ray.node import Node, code_digest, listing
from harness.jobs.ray.pool import RemoteWorker, Slot
from harness.suite import LmEvalTask
from harness.worker.messages import TASK, AskedSuite, MeasureRequest, NearestRequest, TrainingTask, receive, send
from harness.worker.places import Adapted, Directory, GgufFile, Published
from tests.training_tasks import SETTINGS, log_of, weights, write_task

TRAINING = "harness.training"


class Here(Slot):
    """A slot whose node is in this process. It is gone once `lost` is set."""

    def __init__(self, node, sees_store=False):
        super().__init__(None, "cpu")
        self.node, self.host, self.sees_store, self.written = node, "there", sees_store, []

    def call(self, method, *arguments):
        if self.lost:
            raise DeviceLost("there (power)")
        if method == "write":
            self.written.append(arguments[0])
        return getattr(self.node, method)(*arguments)

    def tell(self, method):
        self.call(method)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Makes nodes, each with a home of its own."""
    made = []

    def make(session="session"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"machine-{len(made)}"))
        made.append(Node(session))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        one.end()


def wait_until(what, seconds=240):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- a worker's folder --------------------------------------------------------------------------------


def test_a_training_whose_node_dies_goes_on_on_another_from_its_last_saved_state(pretrained, tmp_path, node):
    store = tmp_path / "store"
    folder = write_task(store, "moved", SETTINGS)
    first, second = Here(node()), Here(node())
    worker = RemoteWorker(first, store, folder, TRAINING, "test")
    wait_until(lambda: list(folder.glob("trainer/checkpoint-*/complete.json")))
    first.lost = True
    with pytest.raises(DeviceLost, match="power"):
        worker.wait()
    assert not worker.running()
    first.node.stop()
    saved = {path.relative_to(folder) for path in folder.glob("trainer/**/*") if path.is_file()}
    assert saved
    assert not (folder / "made").exists()

    worker = RemoteWorker(second, store, folder, TRAINING, "test")
    worker.wait()
    assert weights(folder) == weights(pretrained), log_of(folder)
    assert json.loads((folder / "record.json").read_text())["optimizer_steps"] == 34
    assert saved <= {Path(name).relative_to("checkpoints/moved.partial") for name in second.written}


def test_a_training_on_a_disk_that_both_see_is_not_copied(tmp_path, node):
    store = tmp_path / "store"
    folder = write_task(store, "shared", replace(SETTINGS, epochs=1))
    one = node()
    one.work_below(str(store))
    worker = RemoteWorker(Here(one, sees_store=True), store, folder, TRAINING, "test")
    wait_until(lambda: (folder / "log.jsonl").exists())
    worker.stop()
    with pytest.raises(WorkerFailed, match="was stopped on request"):
        worker.wait()
    assert [path for path in one.own.rglob("*") if path.is_file()] == []
    RemoteWorker(Here(one, sees_store=True), store, folder, TRAINING, "test").wait()
    assert weights(folder)
    one.end()
    assert weights(folder), "ending a node leaves the session's store alone"


def test_what_a_worker_meets_on_its_node_is_raised_here(tmp_path, node):
    store = tmp_path / "store"
    folder = write_task(store, "bad", SETTINGS)
    send(folder / TASK, replace(receive(folder / TASK), base=Directory(str(tmp_path / "none")), architecture=None))
    with pytest.raises(HarnessError, match="test: "):
        RemoteWorker(Here(node()), store, folder, TRAINING, "test").wait()
    assert (folder / "error.json").exists()


def test_a_file_that_is_another_on_the_node_is_named(tmp_path, node):
    store, model = tmp_path / "store", tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    folder = write_task(store, "elsewhere", SETTINGS, Directory(str(model)))
    one = Here(node(), sees_store=True)
    one.node.digests[str(model / "config.json")] = "of another model with a name and a size like this one's"
    with pytest.raises(WorkerFailed, match=r"(?s)model/config.json is not the same on .*HARNESS_RAY_COPY=1"):
        RemoteWorker(one, store, folder, TRAINING, "test").wait()


def test_weights_and_files_of_a_model_reach_the_node_once(tmp_path, node):
    store, model, one = tmp_path / "store", tmp_path / "model", node()
    for folder, name in ((store / "checkpoints" / "adapter", "adapter.safetensors"), (model, "model.safetensors")):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"w" * 100)
    folder = write_task(store, "k", SETTINGS, Adapted(Published("adapter"), Directory(str(model))))
    slot = Here(one)
    Mirror(slot.call, store, folder).send()
    there = receive(one.root / "checkpoints" / "k.partial" / TASK)
    assert (Path(there.base.base.path) / "model.safetensors").read_bytes() == b"w" * 100
    assert there.base.base.path.startswith(str(one.shared))
    assert (one.root / "checkpoints" / "adapter" / "adapter.safetensors").read_bytes() == b"w" * 100
    assert receive(folder / TASK).base.base.path == str(model), "the session's own task stays as it is"
    slot.written.clear()
    Mirror(slot.call, store, folder).send()
    assert {Path(name).name for name in slot.written} == {TASK, "rows.jsonl", "held_out.jsonl"}


def test_the_folder_here_becomes_as_it_is_there(tmp_path, node):
    store, one = tmp_path / "store", node()
    folder = write_task(store, "k", SETTINGS)
    mirror = Mirror(Here(one).call, store, folder)
    mirror.send()
    there = one.root / mirror.there
    before = (folder / "rows.jsonl").stat().st_mtime_ns
    state = there / "trainer" / "checkpoint-4"
    state.mkdir(parents=True)
    (state / "model.safetensors").write_bytes(b"1" * 10)
    (there / "making").mkdir()
    (there / "making" / "model.safetensors").write_bytes(b"1")
    mirror.update(listing(there), False)
    assert not (folder / "trainer").exists()
    assert not (folder / "making").exists()
    (state / "complete.json").write_text("{}")
    (there / "answer.json").write_text("1")
    mirror.update(listing(there), False)
    assert (folder / "trainer" / "checkpoint-4" / "model.safetensors").read_bytes() == b"1" * 10
    assert (folder / "rows.jsonl").stat().st_mtime_ns == before, "what was sent is not fetched again"
    (folder / "answer.json").unlink()  # the session has read it
    shutil.rmtree(state)
    mirror.update(listing(there), False)
    assert (folder / "trainer" / "checkpoint-4" / "complete.json").exists(), "the newest that is whole here stays"
    assert not (folder / "answer.json").exists()
    newer = there / "trainer" / "checkpoint-12"
    newer.mkdir()
    for name in ("model.safetensors", "complete.json"):
        (newer / name).write_text("{}")
    mirror.update(listing(there), False)
    assert [path.name for path in (folder / "trainer").iterdir()] == ["checkpoint-12"]


# ---- files that it reads ------------------------------------------------------------------------------


def test_models_and_task_files_outside_of_the_store_are_found_and_moved(tmp_path):
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "own.yaml").write_text("task: own\ndataset_kwargs:\n  data_files: rows.jsonl\n")
    (tasks / "rows.jsonl").write_text("{}\n")
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(b"GGUF")
    suite = AskedSuite(key="k", name="own", asks=(LmEvalTask(str(tasks / "own.yaml")), LmEvalTask("hellaswag")))
    request = MeasureRequest(
        measures="k", model=Adapted(Published("k"), Published("base")), device="cpu", dtype="float32", threads=1, suites=(suite,)
    )  # fmt: skip
    assert keys_in(request) == ["k", "base"]
    assert {path.name for path in files_in(request)} == {"own.yaml", "rows.jsonl"}
    there = moved(request, lambda path: f"/there{path}")
    assert [ask.task for ask in there.suites[0].asks] == [f"/there{tasks / 'own.yaml'}", "hellaswag"]
    assert there.model == request.model
    task = TrainingTask(makes="k", name="k", kind="import", base=GgufFile(str(gguf), "sha"))
    assert files_in(task) == [gguf]
    nearest = NearestRequest(
        model=Directory(str(tasks)), device="cpu", threads=1, k=1, passages=("a",), questions=("b",)
    )
    assert {path.name for path in files_in(nearest)} == {"own.yaml", "rows.jsonl"}
    assert moved(nearest, lambda path: f"/there{path}") == replace(nearest, model=Directory(f"/there{tasks}"))
    assert moved(task, lambda path: f"/there{path}").base == GgufFile(f"/there{gguf}", "sha")


# ---- a node -------------------------------------------------------------------------------------------


def test_a_part_that_is_sent_again_changes_nothing(node):
    one = node()
    for start, data in ((0, b"abc"), (0, b"abc"), (3, b"def"), (3, b"def"), (6, b"g"), (6, b"g")):
        one.write("a/file", start, data, 7)
    assert (one.root / "a" / "file").read_bytes() == b"abcdefg"
    one.write("a/file", 0, b"new", 3)
    assert (one.root / "a" / "file").read_bytes() == b"new"
    assert [name for name, *_ in listing(one.root)] == ["a/file"]


def test_a_node_leaves_nothing_and_removes_what_a_dead_one_left(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dead, other = Node("before"), Node("other")
    dead.lock.release()  # as the end of its process does
    live = Node("now")
    nodes = tmp_path / "harness" / "nodes" / socket.gethostname()
    folders = sorted(path.name for path in nodes.iterdir() if path.is_dir())
    assert folders == ["now", "other"]
    for one in (live, other):
        one.end()
    assert [path.name for path in nodes.iterdir()] == ["begin.lock"]


# ---- a cluster ----------------------------------------------------------------------------------------


def cluster(store=Path("/nowhere"), on_gpus=False, given="ray"):
    return Cluster(given, store, on_gpus, bfloat16=True)


def test_a_cluster_is_divided_by_its_smallest_machine():
    one = cluster()
    one._divide([{"CPU": 0.0}, {"CPU": 4.0}, {"CPU": 16.0, "GPU": 2.0}])
    assert (one.threads, len(one.devices), one.devices[0]) == (2, 10, "cpu@1")
    on_gpus = cluster(on_gpus=True)
    on_gpus._divide([{"CPU": 4.0}, {"CPU": 16.0, "GPU": 2.0}, {"CPU": 6.0, "GPU": 1.0}])
    assert (on_gpus.threads, on_gpus.devices, on_gpus.gpus) == (6, ["cuda@1", "cuda@2", "cuda@3"], 2)


def test_a_cluster_that_has_not_what_is_asked_for_is_refused():
    with pytest.raises(DeviceError, match=r"the cluster has no GPU \(2 machines, 6 CPUs\)"):
        cluster(on_gpus=True)._divide([{"CPU": 2.0}, {"CPU": 4.0}])
    with pytest.raises(DeviceError, match="no CPUs for tasks"):
        cluster()._divide([{"CPU": 0.0}])


def test_an_address_where_no_ray_listens_is_one_error(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(HarnessError, match=f"no Ray listens at ray://{address}"):
        cluster(given=f"ray://{address}").join()
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(HarnessError, match=f"--executor ray: no Ray listens at {address}"):
        cluster().join()


def test_a_slot_that_outlives_its_cluster_begins_no_other():
    ray = pytest.importorskip("ray", reason="ray is not installed")
    left = Slot(ray.remote(Node), "cpu")
    left.tell("stop")
    left.end()
    left.abandon()
    assert left.lost
    assert not ray.is_initialized()


def told(**other):
    versions = {name: version_of(name) for name in LIBRARIES}
    return {"host": "there", "code": code_digest(), "bfloat16": "True", **versions, **other}


@pytest.mark.parametrize(
    ("other", "on_gpus", "said"),
    [
        ({"code": "x"}, False, "there runs other code of the harness than this session"),
        ({"transformers": "4.1.0"}, False, "there has transformers 4.1.0, and this session works with"),
        ({"trl": None}, False, "there has trl not installed, and this session works with"),
        ({"bfloat16": "False"}, True, "the GPU of there has no bfloat16"),
    ],
)
def test_a_machine_whose_results_could_be_others_is_refused(tmp_path, other, on_gpus, said):
    one = cluster(tmp_path, on_gpus)
    slot = Here(None)
    slot.about = told(**other)
    with pytest.raises(HarnessError, match=said):
        one._check(slot)


def test_a_machine_without_what_workers_need_is_refused_though_the_session_has_it_neither(tmp_path):
    one = cluster(tmp_path)
    one._versions = {}
    slot = Here(None)
    slot.about = told(bitsandbytes=None, torch=None)
    with pytest.raises(HarnessError, match="there has torch not installed"):
        one._check(slot)


def test_whether_a_node_sees_the_store_is_found_out(tmp_path, node, monkeypatch):
    one = cluster(tmp_path)
    slot = Here(node())
    slot.about = told()
    one._check(slot)
    assert slot.sees_store
    assert slot.node.root == tmp_path
    other = Here(node())
    other.about = told()
    monkeypatch.setenv("HARNESS_RAY_COPY", "1")
    one._check(other)
    assert not other.sees_store
    assert other.node.root == other.node.own


def test_a_file_that_is_replaced_by_a_longer_one_while_it_is_fetched_is_not_half_of_it(tmp_path):
    there = {"losses.json": b'{"before": {}, "after": {}}', "log.jsonl": b"one\ntwo\n", "same.json": b"{}"}

    def call(method, name, start, size):
        assert method == "read"
        return there[name.rpartition("/")[2]][start : start + size]

    folder = tmp_path / "checkpoints" / "k.partial"
    mirror = Mirror(call, tmp_path, folder)
    assert not mirror._fetch("losses.json", 14)  # as long as it was when the files were listed
    assert not (folder / "losses.json").exists()
    assert mirror._fetch("log.jsonl", 4)
    assert (folder / "log.jsonl").read_text() == "one\n"
    assert mirror._fetch("same.json", 2)
    assert [path.name for path in sorted(folder.iterdir())] == ["log.jsonl", "same.json"]
