"""`harness store ls`, `verify` and `prune`, on artifacts written by hand: what is there, what is damaged, what nobody needs."""

import json
import subprocess
import sys

import pytest

from harness.files import FileDigests
from harness.fingerprint.code import WEIGHTS, CodeDigests
from harness.session.settings import settings_of
from harness.store import Store
from harness.store.baselines import bless
from harness.store.sessions import SessionRows, write_session
from harness.worker.messages import TASK, TrainingTask, send
from tests.projects import environment, run_harness, write_project
from tests.row_files import write

CURRENT = CodeDigests(FileDigests(None)).of(*WEIGHTS["finetune"])
KEYS = """
import json
from pathlib import Path
from harness.session.options import Options
from harness.session.setup import open_setup, store_of
root = Path.cwd()
setup = open_setup(root, store_of(root, root / "elsewhere"), Options("mini"))
subject = setup.project.named("plain")[0]
print(json.dumps([[stage.key for stage in setup.keys.chain(subject.with_seed(seed))] for seed in (0, 3)]))
"""
SMALL = """
from harness import Dataset, Files, Finetune, Mix, Recipe, Variant
from recipes.tiny import GROUND

FAR = Recipe(
    name="far",
    stages=[Finetune(data=Mix(Dataset(name="far", small=Files("far.jsonl"))), learning_rate=1e-3, epochs=1,
                     effective_batch_size=4)],
    variants=[Variant("small", base=GROUND["mini"], scale="small")],
)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project; nothing is trained in it."""
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def wanted(root):
    """Fingerprints of the stages that lead to the recipe `plain`, without and with another training seed."""
    found = subprocess.run(
        [sys.executable, "-c", KEYS], cwd=root, env=environment(), capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def run(root, store, *arguments, status=0):
    """What `harness store` prints; its exit status is looked at."""
    found = run_harness(root, "store", *arguments, "--store", str(store.root))
    assert found.returncode == status, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found.stdout


def publish(store, kind, key, spec, text="weights"):
    made = store.work(kind, key) / "made"
    made.mkdir()
    (made / "file.bin").write_text(text)
    return store.publish(kind, key, made, spec, {"environment": {}})


def checkpoint(store, key, code=CURRENT, base=None, stage="finetune", seed=0):
    spec = {"stage": stage, "base": base or {"model": "org/model", "revision": None}, "seed": seed, "code": code}
    return publish(store, "checkpoints", key, spec)


def measured(store, of, letter):
    """Answers and an evaluation of a checkpoint; the evaluation's key."""
    asks = [{"is": "Generate"}, {"is": "Perplexity"}]
    publish(store, "answers", letter.upper() * 64, {"checkpoint": of, "questions": {"asks": asks}})
    publish(store, "evaluations", letter * 64, {"checkpoint": of, "suite": {"name": "look"}})
    return letter * 64


def there(store):
    """The first letters of all artifacts, by kind."""
    return {kind: "".join(key[0] for key in store.keys(kind)) for kind in ("checkpoints", "answers", "evaluations")}


# ---- ls -----------------------------------------------------------------------------------------------


def test_ls_shows_every_kind_with_what_it_is_and_of_which_checkpoint(root, store):
    checkpoint(store, "b" * 64, stage="pretrain")
    checkpoint(store, "a" * 64, base={"checkpoint": "b" * 64})
    measured(store, "a" * 64, "e")
    rows = json.loads(run(root, store, "ls", "--json"))
    assert [(row["kind"], row["key"][0], row["what"], row["of"]) for row in rows] == [
        ("checkpoint", "b", "pretrain", ""), ("checkpoint", "a", "finetune", "b" * 8),
        ("answers", "E", "Generate, Perplexity", "a" * 8), ("evaluation", "e", "look", "a" * 8),
    ]  # fmt: skip
    assert {row["bytes"] for row in rows} == {len("weights")}
    table = run(root, store, "ls").splitlines()
    assert table[0].split() == ["kind", "key", "what", "of", "bytes", "created"]
    assert [line.split()[:2] for line in table[1:]] == [
        ["checkpoint", "b" * 8], ["checkpoint", "a" * 8], ["answers", "E" * 8], ["evaluation", "e" * 8],
    ]  # fmt: skip


def test_an_empty_store_has_nothing_to_show_and_nothing_to_remove(root, store):
    assert json.loads(run(root, store, "ls", "--json")) == []
    assert run(root, store, "verify") == "0 artifacts, 0 damaged\n"
    assert run(root, store, "prune") == "0 artifacts that no recipe leads to\n"


def test_a_store_that_is_named_can_be_looked_at_from_outside_of_any_project(tmp_path, store):
    checkpoint(store, "b" * 64)
    assert len(json.loads(run(tmp_path, store, "ls", "--json"))) == 1
    found = run_harness(tmp_path, "store", "ls")
    assert (found.returncode, "is in no project" in found.stderr) == (2, True)


# ---- verify -------------------------------------------------------------------------------------------


def test_verify_reads_every_byte_and_ends_with_one_where_one_differs(root, store):
    checkpoint(store, "b" * 64)
    measured(store, "b" * 64, "e")
    assert run(root, store, "verify") == "3 artifacts, 0 damaged\n"
    (store.root / "checkpoints" / ("b" * 64) / "file.bin").write_text("weighty")
    (store.root / "answers" / ("E" * 64) / "file.bin").unlink()
    (store.root / "evaluations" / ("e" * 64) / "manifest.json").write_text("{}")
    told = run(root, store, "verify", status=1).splitlines()
    assert told[0].startswith("checkpoint bbbbbbbb: file.bin was altered: SHA-256 ")
    assert told[1:] == [
        "answers EEEEEEEE: file.bin is missing",
        "evaluation eeeeeeee: manifest.json is missing or not a whole manifest",
        "3 artifacts, 3 damaged",
    ]
    rows = json.loads(run(root, store, "verify", "--json", status=1))
    assert [(row["kind"], row["problem"] is None) for row in rows] == [
        ("checkpoint", False), ("answers", False), ("evaluation", False),
    ]  # fmt: skip


# ---- prune --damaged ----------------------------------------------------------------------------------


def test_a_damaged_artifact_is_removed_by_the_beginning_of_its_key(root, store):
    checkpoint(store, "b" * 64).path.joinpath("file.bin").write_text("weighty")
    checkpoint(store, "c" * 64)
    assert run(root, store, "prune", "--damaged", "bbb") == "removed checkpoint bbbbbbbb\n"
    assert there(store) == {"checkpoints": "c", "answers": "", "evaluations": ""}


def test_damaged_answers_are_removed_too(root, store):
    measured(store, "b" * 64, "e")
    (store.root / "answers" / ("E" * 64) / "file.bin").unlink()
    assert run(root, store, "prune", "--damaged", "EEEE") == "removed set of answers EEEEEEEE\n"
    assert there(store) == {"checkpoints": "", "answers": "", "evaluations": "e"}


@pytest.mark.parametrize(
    ("beginning", "told"),
    [
        ("cc", "StoreError: checkpoint cccccccc is not damaged.\n    Use --retrain or --reevaluate to make it anew."),
        ("a", "StoreError: 0 artifacts start with 'a'.\n    Give more of the key: harness store ls."),
        ("b", "StoreError: 2 artifacts start with 'b'.\n    Give more of the key: harness store ls."),
    ],
)
def test_what_is_sound_or_not_to_be_told_apart_stays(root, store, beginning, told):
    for key in ("c" * 64, "b1" * 32, "b2" * 32):
        checkpoint(store, key)
    found = run_harness(root, "store", "prune", "--damaged", beginning, "--store", str(store.root))
    assert (found.returncode, found.stdout, found.stderr) == (2, "", told + "\n")
    assert there(store)["checkpoints"] == "bbc"


# ---- prune --------------------------------------------------------------------------------------------


def test_interrupted_trainings_that_no_recipe_leads_to_are_removed_and_others_stay(root, store, wanted):
    (chain, _), stale, old = wanted, "0123456789abcdef" * 4, "f" * 64
    for key in (chain[-1], stale):
        send(
            store.work("checkpoints", key) / TASK, TrainingTask(makes=key, name=f"{key[:4]} finetune", kind="finetune")
        )
    (store.work("checkpoints", old) / TASK).write_text('{"name": "from an older version"}')
    assert run(root, store, "prune").splitlines() == [
        "would remove interrupted training 01234567 (0123 finetune)",
        "would remove interrupted training ffffffff (of another version)",
        "2 artifacts that no recipe leads to; --yes removes them",
    ]
    run(root, store, "prune", "--yes")
    assert store.begun("checkpoints") == [chain[-1]]


def test_what_no_recipe_leads_to_is_listed_first_and_removed_with_yes(root, store, wanted):
    chain, with_seed = wanted
    for key, seed in ((chain[-1], 0), (with_seed[-1], 3)):
        checkpoint(store, key, base={"checkpoint": chain[0]}, seed=seed)
    kept = dict(zip("yz", (chain[-1], with_seed[-1]), strict=True))
    for letter, key in kept.items():
        measured(store, key, letter)
    stale = "0123456789abcdef" * 4
    checkpoint(store, stale)
    blessed = measured(store, stale, "q")
    measured(store, stale, "w")
    bless(store, "main", {"gone-mini": {"look": blessed}}, None)
    before = there(store)
    told = run(root, store, "prune")
    assert told.splitlines() == [
        "would remove checkpoint 01234567 (7 bytes)",
        "would remove set of answers QQQQQQQQ (7 bytes)",
        "would remove set of answers WWWWWWWW (7 bytes)",
        "would remove evaluation wwwwwwww (7 bytes)",
        "4 artifacts that no recipe leads to; --yes removes them",
    ]
    assert there(store) == before
    assert run(root, store, "prune", "--yes") == told.replace("would remove", "removed").replace(
        "; --yes removes them", ""
    )
    assert set(store.keys("checkpoints")) == set(kept.values())
    assert there(store)["answers"] == "YZ"
    assert there(store)["evaluations"] == "qyz", "a baseline still holds one of a checkpoint that is gone"
    assert run(root, store, "prune", "--yes") == "0 artifacts that no recipe leads to\n"


def test_what_other_training_code_made_is_stale_with_all_that_stands_on_it(root, store):
    checkpoint(store, "b" * 64, code="0123456789abcdef", stage="pretrain")
    checkpoint(store, "c" * 64, base={"checkpoint": "b" * 64})
    measured(store, "c" * 64, "e")
    told = run(root, store, "prune", "--yes")
    assert told.endswith("4 artifacts that no recipe leads to\n")
    assert there(store) == {"checkpoints": "", "answers": "", "evaluations": ""}


@pytest.fixture
def far(tmp_path):
    """A project one of whose recipes is of the small scale, and reads a file of its own."""
    root = write_project(tmp_path / "project")
    (root / "recipes" / "far.py").write_text(SMALL)
    return root


def test_outdated_artifacts_are_listed_even_where_a_scales_data_is_not_at_hand(far, store):
    checkpoint(store, "b" * 64, code="0123456789abcdef")
    measured(store, "b" * 64, "e")
    checkpoint(store, "c" * 64)  # of today's code: whether a recipe leads to it is not known
    found = run_harness(far, "store", "prune", "--store", str(store.root))
    assert found.returncode == 2
    assert found.stdout.splitlines() == [
        "would remove checkpoint bbbbbbbb (7 bytes)",
        "would remove set of answers EEEEEEEE (7 bytes)",
        "would remove evaluation eeeeeeee (7 bytes)",
        "3 artifacts that no recipe leads to; --yes removes them",
    ]
    told = " ".join(found.stderr.split())
    assert told.startswith("DataError: dataset far at small scale reads far.jsonl, and no data root is given.")
    assert "The other checkpoints stay: whether a recipe leads to them is not known without that data." in told
    run(far, store, "prune", "--yes", status=2)
    assert there(store) == {"checkpoints": "c", "answers": "", "evaluations": ""}


def test_with_the_data_at_hand_all_that_is_stale_is_known(far, store, tmp_path):
    checkpoint(store, "b" * 64, code="0123456789abcdef")
    checkpoint(store, "c" * 64)
    write(tmp_path / "data" / "far.jsonl", [{"prompt": f"Question {i}?", "completion": "Yes."} for i in range(8)])
    told = run(far, store, "prune", "--data-root", str(tmp_path / "data"))
    assert [line.split()[3] for line in told.splitlines()[:-1]] == ["b" * 8, "c" * 8]


def test_what_another_project_on_the_store_used_stays(root, store):
    base, used, begun, stale = ("0123456789abcdef"[i:] + "0123456789abcdef" * 3 + "0" * i for i in range(4))
    checkpoint(store, base, stage="pretrain")
    checkpoint(store, used, base={"checkpoint": base})
    checkpoint(store, stale)
    theirs = measured(store, used, "t")
    task = TrainingTask(makes=begun, name="theirs finetune", kind="finetune", project="kites")
    send(store.work("checkpoints", begun) / TASK, task)
    run_of_others = {"run_id": "20260301T120000-aaaaaa", "project": "kites"}
    subject = {"subject": "theirs-mini", "fingerprint": used}
    seen = {"subject": "theirs-mini", "suite": "look", "evaluation": theirs}
    write_session(store, SessionRows(run_of_others, [subject], [], [seen]))
    own = {"run_id": "20260302T120000-bbbbbb", "project": settings_of(root).called}
    write_session(store, SessionRows(own, [subject], [], []))  # once it was used here too
    assert [line.split()[-3] for line in run(root, store, "prune", "--yes").splitlines()[:-1]] == [stale[:8]]
    assert set(store.keys("checkpoints")) == {base, used}
    assert there(store)["evaluations"] == "t"
    assert store.begun("checkpoints") == [begun]
