"""The store: whole artifacts or none, found damaged when they are, locked while they are made."""

import json
import os
import subprocess
import sys

import pytest

from harness.errors import StoreError
from harness.files import sha256
from harness.store import Store, open_store

KEY = "0123456789abcdef" * 4


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def publish(store, key=KEY, files=None, kind="checkpoints"):
    made = store.work(kind, key) / "made"
    for name, text in (files or {"weights.bin": "weights", "deep/log.txt": "log"}).items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return store.publish(kind, key, made, {"stage": "finetune"}, {"steps": 3})


def test_what_was_published_comes_back_whole(store):
    publish(store)
    found = store.get("checkpoints", KEY)
    assert (found.path / "deep/log.txt").read_text() == "log"
    assert found.manifest["files"]["weights.bin"] == {"sha256": sha256(found.path / "weights.bin"), "bytes": 7}
    assert (found.spec, found.record, found.short, found.bytes) == ({"stage": "finetune"}, {"steps": 3}, "01234567", 10)
    assert not store.root.joinpath("checkpoints", f"{KEY}.partial").exists()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_can_be_read_by_whom_the_umask_lets(store, umask, mode):
    """safetensors writes weights that only their owner can read, and a group that shares a store could not use them."""
    made = store.work("checkpoints", KEY) / "made"
    made.mkdir()
    (made / "model.safetensors").write_text("weights")
    (made / "model.safetensors").chmod(0o600)
    before = os.umask(umask)
    try:
        found = store.publish("checkpoints", KEY, made, {"stage": "finetune"}, {})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in found.path.iterdir()} == {mode}


def test_what_was_never_published_is_none(store):
    assert store.get("checkpoints", KEY) is None
    store.work("checkpoints", KEY).joinpath("weights.bin").write_text("half")
    assert store.get("checkpoints", KEY) is None
    assert list(store.all("checkpoints")) == []


def test_work_begun_earlier_is_found_again(store):
    store.work("checkpoints", KEY).joinpath("resume.json").write_text("{}")
    assert store.work("checkpoints", KEY).joinpath("resume.json").exists()


def test_a_longer_file_is_told_with_both_sizes(store):
    publish(store).path.joinpath("weights.bin").write_text("weights!")
    with pytest.raises(StoreError, match=r"checkpoint 01234567 is damaged: weights\.bin has 8 bytes, .* with 7"):
        store.get("checkpoints", KEY)


def test_an_altered_file_of_the_same_size_is_told_with_both_digests(store):
    publish(store).path.joinpath("weights.bin").write_text("weighty")
    with pytest.raises(StoreError, match=r"weights\.bin was altered: SHA-256 \w{8} now, \w{8} when published"):
        store.get("checkpoints", KEY)


def test_a_missing_file_is_named_and_the_remedy_with_it(store):
    publish(store).path.joinpath("weights.bin").unlink()
    with pytest.raises(StoreError, match=r"weights\.bin is missing") as damaged:
        store.get("checkpoints", KEY)
    assert "harness store prune --damaged 01234567" in damaged.value.remedy


@pytest.mark.parametrize("text", [None, '{"files": ', "{}", "[]"])
def test_a_folder_without_a_whole_manifest_is_damaged(store, text):
    manifest = publish(store).path / "manifest.json"
    manifest.unlink() if text is None else manifest.write_text(text)
    with pytest.raises(StoreError, match=r"manifest\.json is"):
        store.get("checkpoints", KEY)
    assert "manifest.json" in store.verify("checkpoints", KEY)


def test_verify_reads_every_byte_even_where_size_and_time_are_unchanged(store):
    file = publish(store).path / "weights.bin"
    times = file.stat()
    file.write_text("weighty")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "was altered" in store.verify("checkpoints", KEY)


def test_verify_has_nothing_to_say_of_a_whole_artifact(store):
    publish(store)
    assert store.verify("checkpoints", KEY) is None


def test_all_artifacts_come_oldest_first_and_by_kind(store):
    for key in ("b" * 64, "a" * 64):
        manifest = publish(store, key).path / "manifest.json"
        told = json.loads(manifest.read_text())
        manifest.write_text(json.dumps(told | {"created_at": f"2026-01-0{1 if key[0] == 'b' else 2}T00:00:00"}))
    publish(store, "c" * 64, kind="evaluations")
    assert [a.short for a in store.all("checkpoints")] == ["b" * 8, "a" * 8]
    assert [a.short for a in store.all("evaluations")] == ["c" * 8]


def test_a_removed_artifact_is_gone_and_what_is_made_anew_stays(store):
    publish(store)
    store.work("checkpoints", KEY)
    store.discard([KEY])
    assert store.get("checkpoints", KEY) is None
    assert [path.suffix for path in store.root.joinpath("checkpoints").iterdir()] == [".partial"]
    store.discard([KEY])  # nothing there, nothing to do


def test_a_removal_that_was_killed_halfway_leaves_no_artifact(store):
    path = publish(store).path
    path.rename(path.with_name(f"{KEY}.removed"))  # killed between the renaming and the deleting
    assert store.get("checkpoints", KEY) is None
    assert [a.key for a in store.all("checkpoints")] == []


def test_a_removal_that_was_killed_halfway_does_not_stop_the_next(store):
    path = publish(store).path
    path.rename(path.with_name(f"{KEY}.removed"))
    publish(store)
    store.discard([KEY])
    assert store.get("checkpoints", KEY) is None


def test_a_lock_held_by_another_process_is_waited_for_and_its_holder_named(store, tmp_path):
    code = (
        "import sys; from pathlib import Path; from harness.store import Store\n"
        "with Store(Path(sys.argv[1])).lock('k', 'wiki_only-mini'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    told = []

    def waiting(who):
        told.append(who)
        holder.communicate("go on\n")

    with store.lock("k", "with_kilt-mini", waiting):
        assert told[0].startswith(f"wiki_only-mini (process {holder.pid} on ")
    with store.lock("k", "with_kilt-mini", waiting):
        assert len(told) == 1, "a free lock is not waited for"


def test_a_lock_is_free_again_after_an_error(store):
    with pytest.raises(RuntimeError), store.lock("k", "a"):
        raise RuntimeError("training failed")
    with store.lock("k", "b", waiting=lambda holder: pytest.fail(holder)):
        pass


def test_artifacts_of_every_kind_are_discarded_by_their_keys_however_these_are_given(store):
    kinds = ("checkpoints", "answers", "evaluations")
    for number, kind in enumerate(kinds):
        publish(store, str(number) * 64, kind=kind)
    publish(store, "f" * 64)
    store.discard(str(number) * 64 for number in range(3))
    assert {kind: store.keys(kind) for kind in kinds} == {"checkpoints": ["f" * 64], "answers": [], "evaluations": []}


def test_an_artifact_is_named_after_its_kind(store):
    names = [publish(store, kind=kind).name for kind in ("checkpoints", "answers", "evaluations")]
    assert names == ["checkpoint 01234567", "set of answers 01234567", "evaluation 01234567"]


def test_what_is_published_is_held_before_its_files_are_read(store):
    assert not store.holds("checkpoints", KEY)
    publish(store).path.joinpath("weights.bin").unlink()
    assert store.holds("checkpoints", KEY)


def test_damaged_artifacts_are_among_the_keys_and_unfinished_ones_are_not(store):
    publish(store).path.joinpath("manifest.json").write_text("{}")
    store.work("checkpoints", "a" * 64)
    (store.root / "checkpoints" / f"{'b' * 64}.removed").mkdir()
    assert store.keys("checkpoints") == [KEY]
    assert list(store.all("checkpoints")) == []


def test_a_sound_artifact_is_read_again_once_it_was_published_anew(store):
    publish(store)
    assert store.get("checkpoints", KEY).bytes == 10
    store.discard([KEY])
    publish(store, files={"weights.bin": "other weights"})
    assert store.get("checkpoints", KEY).bytes == 13


def test_who_holds_a_lock_is_known_and_a_killed_sessions_note_is_passed_over(store):
    with store.lock("k", "wiki_only-mini"):
        (store.root / "locks" / "dead.json").write_text(json.dumps({"pid": 1, "host": "h", "for": "gone"}))
        (holder,) = store.held()
        assert (holder.key, holder.process, holder.job) == ("k", os.getpid(), "wiki_only-mini")
    assert store.held() == []


def test_nobody_waits_any_longer_for_what_nobody_wants(store):
    code = (
        "import sys; from pathlib import Path; from harness.store import Store\n"
        "with Store(Path(sys.argv[1])).lock('k', 'wiki_only-mini'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(StoreError, match="with_kilt-mini: stopped while waiting for wiki_only-mini"),
        store.lock("k", "with_kilt-mini", stopped=lambda: True),
    ):
        pytest.fail("the lock is held elsewhere")
    holder.communicate("go on\n")


def test_a_store_is_made_where_it_is_asked_for_and_nowhere_else(tmp_path):
    assert open_store(tmp_path / "a" / "b").root.is_dir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=f"--store {tmp_path}/file: ") as error:
        open_store(tmp_path / "file")
    assert error.value.remedy == "Name a folder that can be written."
