"""What a model worker keeps: the base under the next adapter, tokenized texts, the peak of memory of one checkpoint."""

import json
from threading import Thread

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness.models.answering.engine import Engine
from harness.models.loading.load import load_model, load_tokenizer
from harness.models.answering.resident import Resident
from harness.jobs.process import WarmWorker
from tests.tiny_models import saved_llama

TEXTS = ["The owl sat in the old tree.", "A storm moved over the sea and the town."]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A base, and two adapters over it."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("places")
    base = saved_llama(folder / "base", larger=1)
    tokenizer = load_tokenizer(base)
    for name, rank in (("one", 4), ("two", 2)):
        model = get_peft_model(
            load_model(base, device="cpu", dtype="float32"), LoraConfig(r=rank, target_modules="all-linear")
        )
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.normal_(std=0.3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {"base": base, **{name: {"adapter": str(folder / name), "base": base} for name in ("one", "two")}}


def likelihoods(engine):
    return [found["nll"] for found in engine.document_loglikelihoods(["a", "b"], TEXTS)]


def test_an_exchanged_adapter_scores_as_one_loaded_alone(places):
    resident = Resident()
    alone = {name: likelihoods(Engine(at, "cpu", "float32")) for name, at in places.items()}
    assert len({tuple(found) for found in alone.values()}) == 3
    for name in ("one", "two", "base", "one", "base", "two"):
        assert likelihoods(resident.engine(places[name], "cpu", "float32")) == alone[name]


def test_the_base_is_loaded_once_for_all_its_adapters(places):
    resident = Resident()
    first = resident.engine(places["one"], "cpu", "float32")
    weight = first.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight
    second = resident.engine(places["two"], "cpu", "float32")
    assert second.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight is weight
    assert resident.engine(places["base"], "cpu", "float32").model.model.layers[0].mlp.up_proj.weight is weight
    other = resident.engine(places["two"], "cpu", "bfloat16")
    assert other.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight is not weight


def test_what_two_checkpoints_are_asked_is_tokenized_once(places):
    resident = Resident()
    first = resident.engine(places["one"], "cpu", "float32")
    ids = first.prompt_ids("Name a bird.")
    second = resident.engine(places["two"], "cpu", "float32")
    assert second.prompts is first.prompts
    assert second.prompt_ids("Name a bird.") == ids


def request(folder, at, key):
    folder.mkdir()
    sample = {"id": "a", "prompt": "", "target": TEXTS[0]}
    (folder / f"{key}.samples.jsonl").write_text(json.dumps(sample) + "\n")
    suite = {"key": key, "name": "text", "asks": [{"is": "Perplexity", "chat": False}], "system_prompt": None}
    said = {"at": at, "device": "cpu", "dtype": "float32", "threads": 1, "suites": [suite]}
    (folder / "request.json").write_text(json.dumps(said))
    return folder


def test_one_worker_answers_one_checkpoint_after_the_other(places, tmp_path):
    started = []
    starter = Thread(target=lambda: started.append(WarmWorker("harness.models", "cpu")))
    starter.start()
    starter.join()  # a job's thread ends long before the worker does
    [worker] = started
    found = {}
    for name in ("one", "two"):
        asked = worker.ask(request(tmp_path / name, places[name], "k"), name)
        asked.wait()
        assert worker.idle
        found[name] = json.loads((tmp_path / name / "k.json").read_text())
    assert worker.process.poll() is None
    worker.close()
    assert worker.process.poll() is not None
    assert found["one"]["answers"] != found["two"]["answers"]
    assert found["one"]["record"]["engine"] == "tree"
    assert found["one"]["record"]["prompt_digest"] == found["two"]["record"]["prompt_digest"]


def test_a_request_that_fails_leaves_the_worker_ready_for_the_next(places, tmp_path):
    from harness.errors import StoreError

    worker = WarmWorker("harness.models", "cpu")
    broken = worker.ask(request(tmp_path / "broken", {"path": str(tmp_path / "nothing")}, "k"), "broken-mini")
    with pytest.raises(StoreError, match="broken-mini: model .*nothing cannot be loaded"):
        broken.wait()
    sound = worker.ask(request(tmp_path / "sound", places["base"], "k"), "sound-mini")
    sound.wait()
    assert (tmp_path / "sound" / "k.json").exists()
    worker.close()


def test_an_error_that_nobody_foresaw_ends_the_process_with_its_request(places, tmp_path):
    """After a CUDA assertion every later call in that process fails; the next checkpoint gets a fresh one."""
    folder = request(tmp_path / "odd", places["base"], "k")
    said = json.loads((folder / "request.json").read_text())
    said["suites"][0]["asks"] = [{"is": "Generate", "max_new_tokens": "many", "temperature": 0.0}]
    (folder / "request.json").write_text(json.dumps(said))
    worker = WarmWorker("harness.models", "cpu")
    asked = worker.ask(folder, "odd-mini")
    asked.wait()
    assert json.loads((folder / "k.json").read_text())["error"]["kind"] == "WorkerFailed"
    assert worker.process.poll() == 0
    assert not worker.idle
