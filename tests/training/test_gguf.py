"""GGUF files as checkpoints: the very weights, tokens and chat template that they were written from; and bad files."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
pytest.importorskip("transformers")

from harness.errors import DataError
from harness.files import sha256
from harness.training.importing.gguf import prepare
from harness.training.pretraining.fresh import fresh_model
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.worker.messages import TrainingTask
from harness.worker.places import GgufFile
from tests.gguf_files import interleaved, tensors, write_gguf
from tests.training_tasks import ARCHITECTURE

TALK = [{"role": "user", "content": "How far?"}, {"role": "assistant", "content": "Two miles."}]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return fresh_model(ARCHITECTURE, tokenizer)


def imported(path):
    base = GgufFile(str(path), sha256(path))
    return prepare(TrainingTask(makes="k", name="mine import", kind="import", base=base))


def test_a_float32_file_gives_the_weights_it_was_written_from(tmp_path, model, tokenizer):
    made = imported(write_gguf(tmp_path / "model.gguf", model, tokenizer))
    weights, own = made.model.state_dict(), model.state_dict()
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[name], own[name]) for name in own)
    assert made.model.get_output_embeddings().weight is made.model.get_input_embeddings().weight
    ids = torch.tensor([tokenizer("How far? Two miles.")["input_ids"]])
    assert torch.equal(made.model(ids).logits, model.eval()(ids).logits)


def test_the_tokenizer_and_its_chat_template_come_along(tmp_path, model, tokenizer):
    made = imported(write_gguf(tmp_path / "model.gguf", model, tokenizer)).tokenizer
    assert (
        made.apply_chat_template(TALK, tokenize=True)["input_ids"] == tokenizer.apply_chat_template(TALK)["input_ids"]
    )
    assert made("Two miles, no more.")["input_ids"] == tokenizer("Two miles, no more.")["input_ids"]
    assert (made.eos_token_id, made.bos_token_id) == (tokenizer.eos_token_id, tokenizer.bos_token_id)


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0", "F16"])
def test_quantized_weights_are_the_numbers_that_an_independent_reader_gives(tmp_path, model, tokenizer, kind):
    path = write_gguf(tmp_path / "model.gguf", model, tokenizer, quantized=kind)
    weights, read = imported(path).model, {}
    for tensor in gguf.GGUFReader(path).tensors:
        read[tensor.name] = gguf.dequantize(tensor.data, tensor.tensor_type)
    found = tensors(weights)
    assert found.keys() == read.keys()
    assert all(np.array_equal(found[name], read[name]) for name in read)
    assert not np.array_equal(found["blk.0.attn_q.weight"], tensors(model)["blk.0.attn_q.weight"])  # it was rounded


def test_the_file_is_read_once_and_the_library_is_left_as_it_was(tmp_path, model, tokenizer, monkeypatch):
    path, read, reader = write_gguf(tmp_path / "model.gguf", model, tokenizer), [], gguf.GGUFReader
    own = reader.__init__
    monkeypatch.setattr(reader, "__init__", lambda self, *given: read.append(given) or own(self, *given))
    imported(path)
    assert len(read) == 1
    assert gguf.GGUFReader is reader


def test_what_lies_beside_the_file_is_not_read(tmp_path, model, tokenizer):
    path = write_gguf(tmp_path / "model.gguf", model, tokenizer)
    other = train_tokenizer(["Quite another text. " * 20], vocabulary_size=280, context_length=64)
    other.save_pretrained(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "nobody/nothing", "peft_type": "LORA"}')
    assert imported(path).tokenizer("Two miles.")["input_ids"] == tokenizer("Two miles.")["input_ids"]


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [("gpt-2", ["a", "Ċ", "Ċ", "12"]), ("smollm", ["a", "ĊĊ", "1", "2"]), ("qwen2", ["a", "ĊĊ", "1", "2"])],
)
def test_text_is_split_as_the_file_says(tmp_path, model, pre, pieces):
    """Digits one by one, and the blanks before them together, in SmolLM's way as in llama.cpp's regular expressions."""
    tokenizer = train_tokenizer(["a\n\n12 " * 50, "b\n\nb " * 50], vocabulary_size=300, context_length=64)
    found = imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, pre=pre)).tokenizer
    split = found.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a\n\n12")
    assert [piece for piece, _ in split] == pieces


@pytest.mark.parametrize("pre", [None, "default", "wonder"])
def test_a_way_of_splitting_text_that_is_not_known_is_refused(tmp_path, model, tokenizer, pre):
    with pytest.raises(DataError, match=rf"splits text in a way called {pre!r}"):
        imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, pre=pre))


def test_rows_are_interleaved_head_by_head():
    rows = np.arange(8).reshape(8, 1)
    assert interleaved(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_what_is_imported_is_saved_as_any_other_checkpoint(tmp_path, model, tokenizer):
    from transformers import AutoModelForCausalLM

    made = imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, quantized="Q4_1")).model
    made.save_pretrained(tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    assert all(torch.equal(one, again.state_dict()[name]) for name, one in made.state_dict().items())
    assert "quantization" not in (tmp_path / "saved" / "config.json").read_text()


# ---- bad files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_cut_file_is_told_with_its_size(tmp_path, model, tokenizer, share):
    path = write_gguf(tmp_path / "model.gguf", model, tokenizer)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=rf"model.gguf is cut or damaged: its {int(share * len(whole)):,} bytes"):
        imported(path)


@pytest.mark.parametrize("content", [b"", b"not a model at all"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(DataError, match=r"model.gguf is not a GGUF file: it begins with b'"):
        imported(tmp_path / "model.gguf")


def test_an_architecture_that_is_not_read_is_named(tmp_path, model, tokenizer):
    with pytest.raises(DataError, match=r"model.gguf cannot be read as a GGUF file: .*wonder"):
        imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, architecture="wonder"))


def test_a_file_without_a_tokenizer_is_refused(tmp_path, model, tokenizer):
    with pytest.raises(DataError, match="has no tokenizer"):
        imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, with_tokenizer=False))


def test_a_file_that_lacks_a_weight_is_refused(tmp_path, model, tokenizer):
    path = write_gguf(tmp_path / "model.gguf", model, tokenizer, left_out=["blk.1.ffn_up.weight"])
    with pytest.raises(DataError, match=r"lacks 1 weights .*mlp.up_proj.weight"):
        imported(path)


def test_weights_that_would_be_left_out_are_refused(tmp_path, model, tokenizer):
    more = {"blk.0.attn_q.bias": np.zeros(32, dtype=np.float32)}
    with pytest.raises(DataError, match=r"holds [\d,]+ weights, of which transformers use [\d,]+"):
        imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, more=more))


def test_scaled_positions_that_would_be_lost_are_refused(tmp_path, model, tokenizer):
    more = {"rope_freqs.weight": np.ones(8, dtype=np.float32)}
    with pytest.raises(DataError, match="scales its positions by rope_freqs.weight"):
        imported(write_gguf(tmp_path / "model.gguf", model, tokenizer, more=more))


def test_another_file_than_the_declared_one_is_refused(tmp_path, model, tokenizer):
    path = write_gguf(tmp_path / "model.gguf", model, tokenizer)
    base = GgufFile(str(path), "0" * 64)
    with pytest.raises(DataError, match=f"has SHA-256 {sha256(path)}, and {'0' * 64} was declared"):
        prepare(TrainingTask(makes="k", name="mine import", kind="import", base=base))
    path.unlink()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        prepare(TrainingTask(makes="k", name="mine import", kind="import", base=base))


def test_a_version_that_is_not_read_is_named(tmp_path, model, tokenizer):
    path = write_gguf(tmp_path / "model.gguf", model, tokenizer)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + (1).to_bytes(4, "little") + whole[8:])
    with pytest.raises(DataError, match="is of GGUF version 1"):
        imported(path)


def test_a_file_without_a_chat_template_is_a_model_without_one(tmp_path, model):
    plain = train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)
    plain.chat_template = None
    assert imported(write_gguf(tmp_path / "model.gguf", model, plain)).tokenizer.chat_template is None
