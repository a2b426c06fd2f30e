"""Which GPUs of this machine a session has to itself: two that fill one card's memory would both fail."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from harness.environment import visible_gpu
from harness.jobs.devices import apart
from harness.store.locks import disk_lock

FOLDER = "harness-gpus-{user}"  # in the folder for temporary files, which belongs to one machine


class Leases:
    """GPUs held until the session ends. The user's other sessions wait; a session that is killed holds none."""

    def __init__(self, folder: Path | None = None) -> None:
        user = os.getuid() if hasattr(os, "getuid") else ""
        self.folder = folder or Path(tempfile.gettempdir()) / FOLDER.format(user=user)
        self.held: set[str] = set()
        self.at_once: Sequence[str] = ()  # taken with the first: else two sessions could wait for each other's second
        self._stack, self._taking = ExitStack(), threading.Lock()

    def take(self, device: str, who: str, waiting: Callable[[str], None], stopped: Callable[[], bool]) -> str:
        """Wait until the GPU is this session's; at once where it is already, and for the CPU, which sessions share.

        To be called before any other lock is taken: whoever waits here then keeps nobody waiting.
        """

        def held_by(holder: str) -> None:
            waiting(f"the GPU, which {holder} uses")

        with self._taking:
            for one in self.at_once or apart(device):
                if one.startswith("cuda") and one not in self.held:
                    self._stack.enter_context(disk_lock(self.folder, identity(one), who, held_by, stopped))
                    self.held.add(one)
        return device

    @property
    def patience(self) -> float:
        """Seconds within which a worker has left its state and ended, once it is asked to."""
        return 60.0

    def give_back(self) -> None:
        """Let other sessions have them."""
        self._stack.close()
        self.held.clear()


def alone_here(folder: Path, key: str, who: str) -> AbstractContextManager[None]:
    """Hold a lock among the sessions of this machine, for what it keeps to itself."""
    return disk_lock(folder, key, who)


def identity(device: str) -> str:
    """The GPU's UUID, which no CUDA_VISIBLE_DEVICES changes; its number where nvidia-smi does not tell."""
    name = visible_gpu(device)
    if name.startswith(("GPU-", "MIG-")):
        return name
    try:
        asked = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader", "-i", name]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return name
    return told[0] if told else name
