"""A store in a bucket: whole artifacts or none, whoever dies and whatever the network does."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.loopback import Proxy
from harness.errors import StoreError
from harness.store import bucket as package
from harness.store import open_store
from harness.store.baselines import all_of, bless
from harness.store.bucket import leases
from harness.store.bucket.store import BucketStore
from harness.store.bucket.transfers import Refused, Transfers
from harness.store.sessions import SessionRows, read_sessions, write_session
from tests.projects import environment

pytest.importorskip("s3fs", reason="s3fs is not installed")

KEY = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
WEIGHTS = b"w" * (2**20 + 1)


@pytest.fixture
def machine(bucket, monkeypatch, tmp_path):
    """Machines with a cache folder of their own each, by number; all see one bucket."""
    opened = []

    def of(number=1, patience=20.0, url=bucket, endpoint=None):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"machine-{number}"))
        if endpoint:
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        opened.append(BucketStore(url, "project", patience))
        return opened[-1]

    yield of
    for store in opened:
        store.bucket.close()


def publish(store, key=KEY, weights=WEIGHTS, kind="checkpoints"):
    made = store.work(kind, key) / "made"
    (made / "deep").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(weights)
    (made / "deep" / "log.jsonl").write_text("{}\n")
    return store.publish(kind, key, made, {"stage": "finetune", "base": {}}, {"steps": 3})


def names(artifact):
    return sorted(str(p.relative_to(artifact.path)) for p in artifact.path.rglob("*") if p.is_file())


def test_another_machine_has_manifest_and_small_files_and_weights_when_a_worker_needs_them(machine):
    publish(machine(1))
    there = machine(2)
    found = there.get("checkpoints", KEY)
    assert names(found) == ["deep/log.jsonl", "manifest.json"]
    there.bring([found], weights=True)
    assert (found.path / "model.safetensors").read_bytes() == WEIGHTS
    assert there.get("checkpoints", KEY).record == {"steps": 3}


def test_an_evaluation_comes_whole(machine):
    publish(machine(1), kind="evaluations")
    assert "model.safetensors" in names(machine(2).get("evaluations", KEY))


@pytest.mark.parametrize("url", ["file://{folder}/store", "memory://team/store"])
def test_any_filesystem_of_fsspec_will_do(machine, tmp_path, url):
    store = machine(1, url=url.format(folder=tmp_path))
    publish(store)
    assert store.verify("checkpoints", KEY) is None
    with store.lock(OTHER, "training"):
        assert [holder.key for holder in store.held()] == [OTHER]
    assert store.held() == []


def test_of_two_machines_that_made_the_same_the_first_is_kept(machine):
    one, two = machine(1), machine(2)
    one.keys("checkpoints")
    two.keys("checkpoints")
    publish(one)
    found = publish(two, weights=b"v" * 2**21)
    two.bring([found], weights=True)
    assert (found.path / "model.safetensors").read_bytes() == WEIGHTS
    assert one.verify("checkpoints", KEY) is None
    assert len([entry for entry in two.bucket.entries("checkpoints") if "safetensors" in entry.key]) == 1
    assert two.begun("checkpoints") == []


def test_what_one_machine_removes_is_gone_from_the_cache_of_the_others(machine):
    publish(machine(1))
    two = machine(2)
    assert two.get("checkpoints", KEY) is not None
    time.sleep(0.1)
    two.discard([KEY])
    assert [entry.key for entry in two.bucket.entries()] == ["store.json"]
    assert machine(1).get("checkpoints", KEY) is None


def test_what_another_machine_made_again_replaces_what_is_here(machine):
    publish(machine(1))
    two = machine(2)
    two.bring([two.get("checkpoints", KEY)], weights=True)
    one = machine(1)
    one.discard([KEY])
    publish(one, weights=b"again" * 2**19)
    again = machine(2)
    again.bring([again.get("checkpoints", KEY)], weights=True)
    assert (again.root / "checkpoints" / KEY / "model.safetensors").read_bytes() == b"again" * 2**19


def test_a_manifest_that_names_files_elsewhere_is_not_followed(machine):
    store = machine(1)
    publish(store)
    name = f"checkpoints/{KEY}/manifest.json"
    store.bucket.write(name, store.bucket.read(name).replace("deep/log.jsonl", "../../../stolen"))
    other = machine(2)
    with pytest.raises(StoreError, match="not a whole manifest"):
        other.get("checkpoints", KEY)
    assert not list(other.root.parent.rglob("stolen"))


def test_bytes_altered_in_the_bucket_are_found(machine):
    store = machine(1, patience=3)
    publish(store)
    file = next(entry.key for entry in store.bucket.entries() if "safetensors" in entry.key)
    store.bucket.write(file, "v" * len(WEIGHTS))
    assert "model.safetensors was altered" in store.verify("checkpoints", KEY)
    other = machine(2, patience=3)
    with pytest.raises(Refused, match="not those that were published"):
        other.bring([other.get("checkpoints", KEY)], weights=True)
    store.bucket.delete([file])
    assert store.verify("checkpoints", KEY) == "model.safetensors is missing"


def test_sessions_and_baselines_are_everybodys(machine):
    one = machine(1)
    rows = SessionRows({"run_id": "r1", "project": "project"}, [], [], [])
    assert write_session(one, rows) is None
    bless(one, "main", {"wiki-mini": {"tone": "a"}}, None)
    two = machine(2)
    assert [session.run_id for session in read_sessions(two)] == ["r1"]
    assert all_of(two)[0].evaluations == {"wiki-mini": {"tone": "a"}}
    bless(two, "main", {"wiki-mini": {"tone": "b"}}, None)
    assert all_of(machine(1))[0].evaluations == {"wiki-mini": {"tone": "b"}}


def test_a_warm_store_makes_one_request(machine, s3_server):
    publish(machine(1))
    before = machine(1)
    assert before.get("checkpoints", KEY) is not None
    before.digests.remember()
    with Proxy(s3_server) as proxy:
        store = machine(1, endpoint=proxy.address)
        assert store.get("checkpoints", KEY) is not None
        assert store.get("checkpoints", OTHER) is None
        assert sum(proxy.requests.values()) == 1


def test_a_large_record_of_a_training_comes_with_its_manifest(machine):
    one = machine(1)
    made = one.work("checkpoints", KEY) / "made"
    made.mkdir()
    (made / "training_log.jsonl").write_text('{"step": 1}\n' * 2**17)
    one.publish("checkpoints", KEY, made, {"stage": "finetune", "base": {}}, {})
    assert "training_log.jsonl" in names(machine(2).get("checkpoints", KEY))


def test_what_was_altered_in_the_cache_comes_again_from_the_bucket(machine):
    store = machine(1)
    found = publish(store)
    time.sleep(0.01)
    (found.path / "deep" / "log.jsonl").write_text("[]\n")
    store._sound.clear()
    assert (machine(1).get("checkpoints", KEY).path / "deep" / "log.jsonl").read_text() == "{}\n"
    (found.path / "manifest.json").write_text("{")
    assert machine(1).get("checkpoints", KEY).record == {"steps": 3}


def test_a_session_that_opened_before_another_published_keeps_what_that_one_made(machine):
    one, two = machine(1), machine(1)  # two sessions of one machine; both have asked what there is
    one.keys("checkpoints")
    publish(one)
    assert two.get("checkpoints", KEY) is not None
    assert one.get("checkpoints", KEY) is not None


def test_a_manifest_that_another_session_fetches_first_does_not_stop_the_maker(machine, monkeypatch):
    one, two = machine(1), machine(1)
    one.keys("checkpoints")
    two.keys("checkpoints")
    sent = BucketStore._sent

    def and_seen(self, *arguments):
        done = sent(self, *arguments)
        two._sync()
        return done

    monkeypatch.setattr(BucketStore, "_sent", and_seen)
    for kind in ("checkpoints", "answers"):
        with one.lock(KEY if kind == "checkpoints" else f"measure-{KEY}", "making it"):
            publish(one, kind=kind)
        assert (one.root / kind / KEY / "model.safetensors").read_bytes() == WEIGHTS


def test_what_another_machine_is_sending_is_not_removed_with_what_it_replaces(machine, monkeypatch):
    one, two = machine(1), machine(2)
    publish(one)
    two.discard([KEY])
    publish(two, OTHER)
    sent, removals = two.bucket.send, [KEY]

    def and_removed(files):
        sent(files)
        if removals:
            one.discard([removals.pop()])

    monkeypatch.setattr(two.bucket, "send", and_removed)
    publish(two, weights=b"n" * 2**21)
    assert removals == []
    assert machine(3).verify("checkpoints", KEY) is None


def test_artifacts_that_wait_to_be_sent_stop_nobody_from_reading(machine, s3_server):
    publish(machine(1), OTHER, kind="evaluations")
    refused = dict.fromkeys(["PUT", "POST", "DELETE"], (403, "AccessDenied"))
    with Proxy(s3_server, refuses=refused) as proxy:
        store = machine(2, endpoint=proxy.address)
        with pytest.raises(Refused):
            publish(store)
        again = machine(2, endpoint=proxy.address)
        assert again.get("evaluations", OTHER).record == {"steps": 3}
        assert again.get("checkpoints", KEY).record == {"steps": 3}
        assert again.unsent == ["checkpoint 01234567"]
    later = machine(2, endpoint=s3_server)
    assert (later.get("checkpoints", KEY).record, later.unsent) == ({"steps": 3}, [])
    assert machine(3).get("checkpoints", KEY).record == {"steps": 3}


def test_signs_of_life_do_not_wait_for_files(machine, s3_server):
    with Proxy(s3_server) as proxy:
        store = machine(1, endpoint=proxy.address)
        store.keys("checkpoints")
        proxy.share, proxy.faults, proxy.delay = 1.0, ("delay",), 2.0
        files = {f"checkpoints/{n}": store.root / "url.txt" for n in range(40)}
        sending = threading.Thread(target=store.bucket.send, args=(files,))
        sending.start()
        began = time.monotonic()
        store.bucket.write("leases/k/1.json", "alive")
        assert time.monotonic() - began < 8
        sending.join()


# ---- leases -------------------------------------------------------------------------------------------


@pytest.fixture
def short_leases(monkeypatch):
    monkeypatch.setattr(leases, "LEASE", 3.0)


def test_a_second_machine_waits_says_for_whom_and_finds_it_made(machine, short_leases):
    one, two, said, got = machine(1), machine(2), [], []
    two.keys("checkpoints")

    def second():
        with two.lock(KEY, "two trains", said.append):
            got.append(two.get("checkpoints", KEY))

    with one.lock(KEY, "one trains"):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(5)  # longer than a lease: its owner shows that it lives
        assert waiting.is_alive()
        publish(one)
    waiting.join(30)
    assert got[0].record == {"steps": 3}
    assert said[0].startswith(f"one trains (process {os.getpid()} on ")


def test_the_lease_of_an_owner_that_died_is_taken_over_by_one_of_those_who_wait(machine, short_leases):
    dead = leases._Lease(machine(1).bucket, KEY, "dead")
    dead.take(None, None)
    inside, most = [], []

    def next_one(number):
        with leases.leased(Transfers(dead.bucket.url), KEY, f"next {number}"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.5)
            inside.remove(number)

    began = time.monotonic()
    threads = [threading.Thread(target=next_one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1, 1, 1]
    assert time.monotonic() - began > 3
    assert leases.holders(dead.bucket) == []
    [last] = dead.bucket.entries("leases")
    assert (last.key, dead.bucket.read(last.key)) == (f"leases/{KEY}/4.json", leases.FREE)


def test_waiting_for_a_lease_ends_when_the_session_stops(machine, short_leases):
    store = machine(1)
    with (
        store.lock(KEY, "one"),
        pytest.raises(StoreError, match="stopped while waiting for one"),
        leases.leased(store.bucket, KEY, "two", stopped=lambda: True),
    ):
        raise AssertionError("it was not waited for")


def test_a_lease_has_a_number_of_seconds(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_LEASE_SECONDS", "soon")
    command = [sys.executable, "-m", "harness", "store", "ls", "--store", f"file://{tmp_path}/store"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["StoreError: HARNESS_LEASE_SECONDS=soon: it has to be a number of seconds, at least 1."],
    )


# ---- faults -------------------------------------------------------------------------------------------


def test_a_store_behind_a_broken_network_loses_and_damages_nothing(machine, s3_server):
    """A quarter of all requests is lost before or after it was carried out, delayed, cut, or refused."""
    keys = [f"{n:064x}" for n in range(8)]
    with Proxy(s3_server, share=0.25, seed=1, delay=1.0) as proxy:
        one = machine(1, patience=60, endpoint=proxy.address)
        for n, key in enumerate(keys):
            with one.lock(key, f"training {n}"):
                publish(one, key, os.urandom(3000 + n))
        two = machine(2, patience=60, endpoint=proxy.address)
        two.bring([two.get("checkpoints", key) for key in keys], weights=True)
        assert sum(proxy.injected.values()) > 20
        assert set(proxy.injected) - {None} == {"drop", "drop after", "delay", "truncate", "500", "503"}
    for key in keys:
        here, there = one.root / "checkpoints" / key, two.root / "checkpoints" / key
        assert (here / "model.safetensors").read_bytes() == (there / "model.safetensors").read_bytes()
    direct = machine(3, endpoint=s3_server)
    assert [direct.verify("checkpoints", key) for key in keys] == [None] * len(keys)
    assert direct.held() == []
    assert {direct.bucket.read(entry.key) for entry in direct.bucket.entries("leases")} == {leases.FREE}


def test_what_cannot_be_sent_stays_here_and_the_next_session_sends_it(machine, s3_server):
    with Proxy(s3_server) as proxy:
        store = machine(1, patience=8, endpoint=proxy.address)
        store.keys("checkpoints")
        proxy.share, proxy.faults = 1.0, ("503",)
        with pytest.raises(Refused, match="Run again when it can be reached"):
            publish(store)
    direct = machine(1, endpoint=s3_server)
    assert direct.get("checkpoints", KEY).record == {"steps": 3}
    assert machine(2).get("checkpoints", KEY).record == {"steps": 3}


def test_a_child_that_is_killed_is_replaced(machine):
    store = machine(1)
    publish(store)
    child = store.bucket.child()
    child.process.kill()
    child.process.wait()
    assert len(store.bucket.entries("checkpoints")) == 3
    asked = store.bucket.ask("listing", do="entries", below="")
    asked.child.process.kill()
    assert len(asked.result()) == 4


# ---- wrong use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "answer", "told"),
    [
        (["GET"], (403, "InvalidAccessKeyId"), "Log in|credentials"),
        (["GET"], (403, "SignatureDoesNotMatch"), "Log in|credentials"),
        (["GET"], (403, "RequestTimeTooSkewed"), "clock"),
        (["GET"], (404, "NoSuchBucket"), "Make the bucket first"),
        (["GET"], (400, "ExpiredToken"), "Log in|credentials"),
        (["GET"], (301, "PermanentRedirect"), "region"),
        (["PUT"], (403, "AccessDenied"), "may list, read, write and delete"),
    ],
)
def test_what_a_server_refuses_is_one_error_at_once(machine, s3_server, methods, answer, told):
    with Proxy(s3_server, refuses=dict.fromkeys(methods, answer)) as proxy:
        store, began = machine(1, patience=30, endpoint=proxy.address), time.monotonic()
        with pytest.raises(Refused, match=told) as raised:
            publish(store)
        assert store.where in str(raised.value)
        assert time.monotonic() - began < 25


def test_a_bucket_that_is_not_there_is_named(machine):
    with pytest.raises(Refused, match=r"s3://no-such-team/x.*\n.*Make the bucket first"):
        machine(1, url="s3://no-such-team/x").keys("checkpoints")


def test_without_credentials_the_cloud_is_named_that_wants_them(machine, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused, match="AWS_ACCESS_KEY_ID"):
        machine(1).keys("checkpoints")


def test_a_server_that_is_not_there_is_not_waited_for_endlessly(machine):
    began = time.monotonic()
    with pytest.raises(Refused, match="Run again when it can be reached"):
        machine(1, patience=3, endpoint="http://127.0.0.1:9").keys("checkpoints")
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("url", ["s4://team/x", "s3://"])
def test_a_url_of_no_filesystem_is_refused(machine, url):
    with pytest.raises(StoreError):
        machine(1, patience=2, url=url).keys("checkpoints")


def test_a_bucket_that_may_only_be_read_serves_those_who_judge(machine, s3_server):
    publish(machine(1), kind="evaluations")
    refused = dict.fromkeys(["PUT", "POST", "DELETE"], (403, "AccessDenied"))
    with Proxy(s3_server, refuses=refused) as proxy:
        store = machine(2, endpoint=proxy.address)
        assert store.get("evaluations", KEY).record == {"steps": 3}
        unseen = write_session(store, SessionRows({"run_id": "r2", "project": "project"}, [], [], []))
        assert "may list, read, write and delete" in str(unseen)
        assert [session.run_id for session in read_sessions(store)] == ["r2"]


def test_a_store_that_was_emptied_or_replaced_empties_no_cache(machine):
    store = machine(1)
    publish(store)
    store.bucket.delete([entry.key for entry in store.bucket.entries()])
    with pytest.raises(StoreError, match="is the cache of a store that was there"):
        machine(1).keys("checkpoints")
    store.bucket.write("store.json", json.dumps({"id": "another"}))
    with pytest.raises(StoreError, match="is not the store that"):
        machine(1).keys("checkpoints")
    assert (store.root / "checkpoints" / KEY / "model.safetensors").exists()


def test_two_sessions_of_one_machine_may_begin_a_store_at_once(machine):
    one, two = machine(1), machine(1)  # both have listed an empty bucket
    assert one.keys("checkpoints") == two.keys("checkpoints") == []


def test_what_a_folder_is_needs_no_bucket(tmp_path):
    assert type(open_store(tmp_path)).__name__ == "Store"
    assert package.__doc__
