"""`harness export`: a checkpoint as a folder that plain transformers loads, whole or not at all, with a model card."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, WorkerFailed
from harness.evaluation.findings import Findings
from harness.jobs.devices import device_inside, threads_each
from harness.jobs.pool import WorkerPool
from harness.serving.card import base_of, card
from harness.serving.trained import Trained
from harness.worker.messages import REQUEST, ExportRequest, send
from harness.worker.places import HubModel, name_of

Dtype = Literal["bfloat16", "float32", "float16"]
Quantized = Literal["4bit", "8bit"]
RECORDS = ("manifest.json", "training_log.jsonl", "held_out_losses.json")  # files of the store, not of the model
WORKER = "harness.models.tools.export"


@dataclass(frozen=True)
class Form:
    """How a checkpoint is exported."""

    merge: bool = False  # an adapter into its base
    quantize: Quantized | None = None
    dtype: Dtype | None = None  # default: bfloat16

    @property
    def words(self) -> str:
        """For people: `bfloat16`, or how it is quantized."""
        dtype = self.dtype or "bfloat16"
        quantized = {"4bit": "4 bits (NF4, double quantization)", "8bit": "8 bits (LLM.int8)", None: ""}[self.quantize]
        return f"{quantized}, the rest {dtype}" if quantized else dtype


def export(model: Trained, form: Form, out: Path, device: str = "cpu", findings: Findings | None = None) -> Path:
    """Write the checkpoint to `out`, whole or not at all, with a model card, `findings` in it; returns `out`.

    An adapter that is not merged stays an adapter, whose configuration names its base.
    """
    adapter_alone = model.is_adapter and not form.merge
    if adapter_alone and (form.quantize or form.dtype):
        option = f"--quantize {form.quantize}" if form.quantize else f"--dtype {form.dtype}"
        raise HarnessError(
            f"{option}: {model.name} is an adapter, and what would change is its base.",
            "Add --merge to write standalone weights, or leave the option out to copy the adapter alone.",
        )
    _check_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
            if adapter_alone:
                made = _copy_adapter(model, Path(folder))
            else:
                made = _make_standalone(model, form, Path(folder), device)
            (made / "README.md").write_text(card(model, _weights(model, form), findings), encoding="utf-8")
            made.rename(out)
    except OSError as error:
        raise HarnessError(f"--out {out}: {error.strerror}.", "Name a folder that can be written.") from error
    return out


def _check_free(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise HarnessError(
            f"--out {out}: the folder is not empty ({len(list(out.iterdir()))} entries).",
            "Name a new folder; nothing is ever written over.",
        )
    if out.exists() and not out.is_dir():
        raise HarnessError(f"--out {out}: this is a file.", "Name a new folder.")


def _copy_adapter(model: Trained, folder: Path) -> Path:
    """The adapter's files; its configuration names the base by hub id and revision, or by directory."""
    made = folder / "made"
    shutil.copytree(model.folder, made, ignore=shutil.ignore_patterns(*RECORDS))
    base, file = model.base, made / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = name_of(base)
    config["revision"] = base.revision if isinstance(base, HubModel) else None
    file.write_text(json.dumps(config, indent=2, sort_keys=True))
    return made


def _make_standalone(model: Trained, form: Form, folder: Path, device: str) -> Path:
    """Have a worker make weights, tokenizer and configurations, and load them with plain transformers."""
    request = ExportRequest(
        name=model.name,
        model=model.place,
        device=device_inside(device),
        threads=threads_each((device,), side_by_side=False),
        dtype=form.dtype or "bfloat16",
        merge=form.merge,
        quantize=form.quantize,
    )
    send(folder / REQUEST, request)
    worker = WorkerPool().run(WORKER, folder, device, f"{model.name} export")
    try:
        worker.wait()
    except WorkerFailed as error:
        raise WorkerFailed(error.problem, "Nothing was written.") from None
    finally:  # after Ctrl-C it would still write into the folder that is removed here
        worker.stop()
        worker.process.wait()
    return folder / "made"


def _weights(model: Trained, form: Form) -> str:
    """In words, what the exported weights are."""
    if not model.is_adapter:
        return form.words
    if form.merge:
        return f"{form.words}, the adapter merged into its base in float32"
    return "an adapter alone; adapter_config.json names the base it needs"


def exported(model: Trained, form: Form, out: Path) -> str:
    """What was exported, in one line."""
    files = [file for file in out.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    line = f"{out}: {model.name}, {len(files)} files, {size:,} bytes: {_weights(model, form)}"
    if model.is_adapter and not form.merge:
        line += f" ({base_of(model)}). --merge writes standalone weights."
    return line
