"""A checkpoint put to use: asked, written as a standalone folder, served. The work is done in worker processes.

Beside the road: nothing here is measured or stored as a result.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from harness.session.bench import Bench, Checkpoint
from harness.serving.card import base_of, card
from harness.jobs.devices import parse, threads
from harness.errors import DeviceError, HarnessError, WorkerFailed
from harness.fingerprint.planning import dtype_on, is_adapter
from harness.jobs.process import device_inside

Dtype = Literal["bfloat16", "float32", "float16"]
RECORDS = ("manifest.json", "training_log.jsonl", "held_out_losses.json")  # the store's, no part of the model
SERVES = ("fastapi", "uvicorn", "openai")


@dataclass(frozen=True)
class Form:
    """How a checkpoint is exported."""

    merge: bool = False  # an adapter into its base
    quantize: Literal["4bit", "8bit"] | None = None
    dtype: Dtype | None = None  # default: bfloat16

    @property
    def words(self) -> str:
        """For people: `bfloat16`, or how it is quantized."""
        dtype = self.dtype or "bfloat16"
        told = {"4bit": "4 bits (NF4, double quantization)", "8bit": "8 bits (LLM.int8)", None: ""}[self.quantize]
        return f"{told}, the rest {dtype}" if told else dtype


def one_device(gpu: str | None) -> str:
    """The device that `--gpu` names; DeviceError where it names several, or one that is not there."""
    found = parse(gpu)
    if len(found) > 1:
        raise DeviceError(f"--gpu {gpu}: {len(found)} devices, and this takes one.", "Write --gpu 0.")
    return found[0]


# ---- chat ---------------------------------------------------------------------------------------------


def chat(bench: Bench, checkpoint: Checkpoint, device: str, asked: dict[str, Any]) -> None:
    """Become the process that answers: `asked` is prompt (None to converse), system, max_new_tokens, temperature."""
    request = {
        **asked,
        "name": checkpoint.name,
        "at": bench.place(checkpoint.planned),
        "device": device,
        "dtype": dtype_on(device),
        "threads": threads(),
    }
    package = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "harness.models.tools.chat", json.dumps(request, ensure_ascii=False)]
    os.execve(sys.executable, command, environment)


# ---- export -------------------------------------------------------------------------------------------


def export(bench: Bench, checkpoint: Checkpoint, form: Form, out: Path, device: str = "cpu") -> Path:
    """Write the checkpoint to `out`, whole or not at all, with a model card; returns `out`.

    An adapter that is not merged stays an adapter, whose configuration names its base.
    """
    adapter_alone = is_adapter(checkpoint.planned) and not form.merge
    if adapter_alone and (form.quantize or form.dtype):
        option = f"--quantize {form.quantize}" if form.quantize else f"--dtype {form.dtype}"
        raise HarnessError(
            f"{option}: {checkpoint.name} is an adapter, and what would change is its base.",
            "Add --merge to write standalone weights, or leave the option out to copy the adapter alone.",
        )
    _check_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
            if adapter_alone:
                made = _copy_adapter(bench, checkpoint, Path(folder))
            else:
                made = _make_standalone(bench, checkpoint, form, Path(folder), device)
            (made / "README.md").write_text(card(bench, checkpoint, _weights_told(checkpoint, form)), encoding="utf-8")
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


def _copy_adapter(bench: Bench, checkpoint: Checkpoint, folder: Path) -> Path:
    """The adapter's files; its configuration names the base by hub id and revision, or by directory."""
    assert checkpoint.path is not None
    assert checkpoint.planned.parent is not None
    made = folder / "made"
    shutil.copytree(checkpoint.path, made, ignore=shutil.ignore_patterns(*RECORDS))
    base, file = bench.place(checkpoint.planned.parent), made / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = base["model"] if "model" in base else str(Path(base["path"]).resolve())
    config["revision"] = base.get("revision")
    file.write_text(json.dumps(config, indent=2, sort_keys=True))
    return made


def _make_standalone(bench: Bench, checkpoint: Checkpoint, form: Form, folder: Path, device: str) -> Path:
    """Weights, tokenizer and configurations that plain transformers loads, made and tried by a worker."""
    request = {
        **asdict(form),
        "dtype": form.dtype or "bfloat16",
        "name": checkpoint.name,
        "at": bench.place(checkpoint.planned),
        "device": device_inside(device),
        "threads": threads(),
    }
    (folder / "request.json").write_text(json.dumps(request))
    worker = bench.run_worker("harness.models.tools.export", folder, device, f"{checkpoint.name} export")
    try:
        worker.wait()
    except WorkerFailed as error:
        raise WorkerFailed(error.problem, "Nothing was written.") from None
    finally:  # on Ctrl-C it is still writing into the folder that is about to go
        worker.stop()
        worker.process.wait()
    return folder / "made"


def _weights_told(checkpoint: Checkpoint, form: Form) -> str:
    if not is_adapter(checkpoint.planned):
        return form.words
    if form.merge:
        return f"{form.words}, the adapter merged into its base in float32"
    return "an adapter alone; adapter_config.json names the base it needs"


def told(bench: Bench, checkpoint: Checkpoint, form: Form, out: Path) -> str:
    """What was exported, in one line."""
    files = [file for file in out.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    line = f"{out}: {checkpoint.name}, {len(files)} files, {size:,} bytes: {_weights_told(checkpoint, form)}"
    if is_adapter(checkpoint.planned) and not form.merge:
        line += f" ({base_of(bench, checkpoint)}). --merge writes standalone weights."
    return line


# ---- serve --------------------------------------------------------------------------------------------


def serve(bench: Bench, checkpoint: Checkpoint, host: str, port: int, device: str) -> None:
    """Become `transformers serve` over a standalone copy, which is made once and kept in `.bench/exports`."""
    _check_servable(host, port)
    dtype = dtype_on(device)
    cache = bench.root / ".bench" / "exports" / checkpoint.fingerprint / dtype
    hub_copy(bench, checkpoint, Form(merge=True, dtype=dtype), cache, device)  # type: ignore[arg-type]
    shown = f"[{host}]" if ":" in host else host
    print(f"{checkpoint.name}: http://{shown}:{port}/v1 (model: {checkpoint.name}); Ctrl-C ends it", flush=True)
    os.chdir(cache)  # a folder of the model's name where the user stands would be served in its place
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    options = ["--host", host, "--port", str(port), "--device", device]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", checkpoint.name, *options]
    os.execve(sys.executable, command, environment)


def hub_copy(bench: Bench, checkpoint: Checkpoint, form: Form, cache: Path, device: str) -> None:
    """The export as the one model of a hub cache: so it is served under its name, and `/v1/models` lists it."""
    revision = checkpoint.fingerprint[:40]  # as long as a commit's
    model = cache / f"models--{checkpoint.name}"
    snapshot = model / "snapshots" / revision
    with bench.store.lock(f"export-{checkpoint.fingerprint}", f"{checkpoint.name} export"):
        if snapshot.exists():
            return
        print(f"{checkpoint.name}: writing a standalone copy to {snapshot}", flush=True)
        (model / "refs").mkdir(parents=True, exist_ok=True)
        (model / "refs" / "main").write_text(revision)
        export(bench, checkpoint, form, snapshot, device)


def _check_servable(host: str, port: int) -> None:
    missing = [name for name in SERVES if find_spec(name) is None]
    if missing:
        raise HarnessError(
            f"harness serve: {', '.join(missing)} not installed.", "Install them: pip install 'harness[serve]'"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except socket.gaierror as error:
        raise HarnessError(f"--host {host}: {error.strerror}.", "Write --host 127.0.0.1.") from None
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise HarnessError(f"--port {port}: cannot listen on {host} ({why}).", "Choose another --port.") from None
