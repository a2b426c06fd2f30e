"""`harness serve`: this process becomes `transformers serve` over a standalone copy of the checkpoint."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from harness.errors import HarnessError
from harness.fingerprint.evaluations import dtype_on
from harness.jobs.leases import alone_here
from harness.jobs.process import become
from harness.serving.export import Dtype, Form, export
from harness.serving.trained import Trained

SERVES = ("fastapi", "uvicorn", "openai")


def serve(model: Trained, host: str, port: int, device: str) -> None:
    """Become the server; does not return. The copy is made once and kept in `.bench/exports`."""
    check_installed("serve", "harness serve", *SERVES)
    check_port(host, port)
    dtype = cast(Dtype, dtype_on(device))
    cache = model.results.keys.root / ".bench" / "exports" / model.checkpoint.fingerprint / dtype
    hub_copy(model, Form(merge=True, dtype=dtype), cache, device)
    shown = f"[{host}]" if ":" in host else host
    print(f"{model.name}: http://{shown}:{port}/v1 (model: {model.name}); Ctrl-C ends it", flush=True)
    os.chdir(cache)  # in the user's folder, a folder of the model's name would be served instead
    options = ["--host", host, "--port", str(port), "--device", device]
    command = ["transformers.cli.transformers", "serve", model.name, *options]
    become(*command, HF_HUB_CACHE=str(cache), HF_HUB_OFFLINE="1")


def hub_copy(model: Trained, form: Form, cache: Path, device: str) -> None:
    """Arrange the export as the only model of a hub cache, so that it is served and listed under its own name."""
    fingerprint = model.checkpoint.fingerprint
    revision = fingerprint[:40]  # as long as a commit's
    folder = cache / f"models--{model.name}"
    snapshot = folder / "snapshots" / revision
    with alone_here(cache / "locks", f"export-{fingerprint}", f"{model.name} export"):  # the copy is this machine's
        if snapshot.exists():
            return
        print(f"{model.name}: writing a standalone copy to {snapshot}", flush=True)
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / "main").write_text(revision)
        export(model, form, snapshot, device)


def check_installed(extra: str, command: str, *libraries: str) -> None:
    """Raise HarnessError where a library of the extra is not installed."""
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise HarnessError(
            f"{command}: {', '.join(missing)} not installed.",
            f"Install the harness with its extra `{extra}`: pip install 'PATH[{extra}]', PATH being its folder or wheel.",
        )


def check_port(host: str, port: int) -> None:
    """Raise HarnessError where nothing can listen there: the port is in use, or the host is none of this machine's."""
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
