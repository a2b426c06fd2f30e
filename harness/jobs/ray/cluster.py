"""The cluster of a session: joined or begun, checked, divided into slots that Ray places where there is room."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.environment import LIBRARIES, PACKAGE, version_of
from harness.errors import DeviceError, HarnessError
from harness.files import write_whole
from harness.jobs.devices import apart, together
from harness.jobs.process import DeviceLost, NoPlaceYet
from harness.jobs.ray.node import Node, code_digest
from harness.jobs.ray.pool import Slot

CLIENT_PORT = 10001  # of `ray start --head`, for ray://
LISTENS_WITHIN = 5.0  # seconds
PLACED_WITHIN = 10.0  # seconds, after which a job tries another slot
GIVES_UP_AFTER = 900.0  # seconds without any slot: machines may have to be started first
PASSED_ON = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_ENDPOINT")  # variables that a worker's answers depend on
COPY = "HARNESS_RAY_COPY"  # set: folders are copied though nodes see the session's disk


class Cluster:
    """Slots of a Ray cluster. A slot takes a GPU, or a share of a machine's CPUs, wherever Ray finds them.

    All workers compute with as many threads as the smallest machine can give each: rounding depends on them.
    """

    def __init__(self, given: str, store: Path, on_gpus: bool, bfloat16: bool) -> None:
        self.given, self.store, self.on_gpus, self.bfloat16 = given, store, on_gpus, bfloat16
        self.threads, self.devices = 1, list[str]()
        self.gpus = 0  # of the machine that has most: as many as one job may take
        self._slots: dict[str, Slot] = {}
        self._coming: dict[str, tuple[Any, Any]] = {}  # device -> an actor that is being placed, what it will tell
        self._versions = {name: found for name in LIBRARIES if (found := version_of(name)) is not None}
        self._lock, self._last_had = threading.Lock(), time.monotonic()
        self._session = uuid.uuid4().hex

    def join(self) -> None:
        """Connect, or begin a cluster on this machine where none is named and none runs; count its slots.

        Raises HarnessError where no Ray listens, or another version does, and DeviceError without GPUs that are asked for.
        """
        import ray

        self._check_listens()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        travels = {"py_modules": [str(PACKAGE)], "excludes": ["**/__pycache__/**"], "env_vars": variables}
        try:
            ray.init(
                address=None if self.given == "ray" else self.given,
                runtime_env=travels,
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=None if self._named() else False,
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise HarnessError(
                f"--executor {self.given}: {_first_line(error)}",
                "Python and Ray have to be of the same versions on all machines; `ray status` tells of a cluster.",
            ) from error
        self._divide([node["Resources"] for node in ray.nodes() if node["Alive"]])
        self._last_had = time.monotonic()

    def _divide(self, machines: list[dict[str, float]]) -> None:
        """Find the slots and their threads."""
        cpus = [int(one.get("CPU", 0)) for one in machines]
        gpus = [int(one.get("GPU", 0)) for one in machines]
        if self.on_gpus:
            if not any(gpus):
                raise DeviceError(
                    f"--gpu: the cluster has no GPU ({len(machines)} machines, {sum(cpus)} CPUs).",
                    "Leave --gpu out to run on its CPUs, or start machines with GPUs first.",
                )
            self.threads = max(1, min(cpu // gpu for cpu, gpu in zip(cpus, gpus, strict=True) if gpu))
            count, kind, self.gpus = sum(gpus), "cuda", max(gpus)
        else:
            some = [cpu for cpu in cpus if cpu]
            if not some:
                raise DeviceError("the cluster has no CPUs for tasks.", "Start machines with `ray start --num-cpus=N`.")
            self.threads = min(some) // min(2, min(some))
            count, kind = sum(cpu // self.threads for cpu in some), "cpu"
        self.devices = [f"{kind}@{number}" for number in range(1, count + 1)]

    def slot(self, device: str) -> Slot:
        """The slot that was taken by that name."""
        return self._slots[device]

    def take(self, device: str, who: str, waiting: Callable[[str], None], stopped: Callable[[], bool]) -> str:
        """Have the slot on some machine, and return which. Raises NoPlaceYet while Ray finds none that has room.

        Raises HarnessError where that machine's code or libraries are not the session's.
        """
        slot = self._slots.get(device)
        if slot is None or slot.lost:
            waiting("a place on the cluster")
            self._end_others(device)
            slot = self._placed(device, stopped)
            self._check(slot)
            self._slots[device] = slot
        self._last_had = time.monotonic()
        return f"{device.partition('@')[0]} of {slot.host}"

    def give_back(self) -> None:
        """End all slots, and leave the cluster."""
        import ray

        if not ray.is_initialized():
            return
        for slot in self._slots.values():
            slot.end()
        ray.shutdown()

    def _end_others(self, device: str) -> None:
        """End slots that hold a GPU that this one is given: a job of one follows a job of several, or goes before it."""
        with self._lock:
            for other in [one for one in self._slots if set(apart(one)) & set(apart(device))]:
                self._slots.pop(other).end()

    # ---- one slot ---------------------------------------------------------------------------------

    def _placed(self, device: str, stopped: Callable[[], bool]) -> Slot:
        import ray

        count = len(apart(device))
        inside = together([f"cuda:{number}" for number in range(count)]) if self.on_gpus else "cpu"
        with self._lock:
            if device not in self._coming:
                kind: Any = ray.remote(num_cpus=self.threads * count, num_gpus=count if self.on_gpus else 0)(Node)
                actor = kind.remote(self._session)
                self._coming[device] = actor, actor.about.remote(apart(inside)[0])
            actor, told = self._coming[device]
        until = time.monotonic() + PLACED_WITHIN
        while not ray.wait([told], timeout=0.5)[0]:
            if stopped() or time.monotonic() > until:
                self._give_up_after_long()
                raise NoPlaceYet(device)
        del self._coming[device]
        slot = Slot(actor, inside)
        try:
            slot.about = ray.get(told)
        except ray.exceptions.RuntimeEnvSetupError as error:
            raise HarnessError(
                f"--executor {self.given}: this package could not be sent: {_first_line(error)}"
            ) from error
        except ray.exceptions.RayError as error:
            raise DeviceLost(f"a node ({_first_line(error)})") from error
        return slot

    def _give_up_after_long(self) -> None:
        """HarnessError where no slot has been had for long."""
        if any(not slot.lost for slot in self._slots.values()):
            self._last_had = time.monotonic()
        if time.monotonic() - self._last_had > GIVES_UP_AFTER:
            raise HarnessError(
                f"no machine of the cluster has had room for {GIVES_UP_AFTER / 60:.0f} minutes.",
                "`ray status` shows what is free and what is asked for; run again, and it goes on where it was.",
            )

    def _check(self, slot: Slot) -> None:
        """Refuse a machine whose results could be others; find out whether it sees the session's store."""
        host = slot.host = str(slot.about["host"])
        if slot.about["code"] != code_digest():
            raise HarnessError(
                f"{host} runs other code of the harness than this session ({PACKAGE}).",
                "Remove the harness from PYTHONPATH there; the session's own is sent with its jobs.",
            )
        for name in LIBRARIES:
            theirs, ours = slot.about[name], self._versions.setdefault(name, str(slot.about[name]))
            if _minor(theirs) != _minor(ours):
                raise HarnessError(
                    f"{host} has {name} {theirs or 'not installed'}, and this session works with {ours}.",
                    f"Install the same on all machines: pip install '{name}=={ours}'.",
                )
        if self.on_gpus and slot.about["bfloat16"] != str(self.bfloat16):
            raise DeviceError(
                f"the GPU of {host} {'has no' if self.bfloat16 else 'has'} bfloat16, and this session's results are computed "
                f"{'with' if self.bfloat16 else 'without'} it.",
                "Use machines of one kind.",
            )
        token = self.store / "sees.txt"
        if not token.exists():
            write_whole(token, self._session)
        if COPY not in os.environ and slot.call("sees", str(token), token.read_text()):
            slot.sees_store = True
            slot.call("work_below", str(self.store))

    # ---- its address ------------------------------------------------------------------------------

    def _named(self) -> str:
        """The address of a cluster that is named; empty where Ray looks for one, or begins one here."""
        return self.given if self.given != "ray" else os.environ.get("RAY_ADDRESS", "")

    def _check_listens(self) -> None:
        """HarnessError where nothing listens at the address: Ray itself would try for minutes."""
        named = self._named()
        if not named or named in ("auto", "local"):
            return
        address = urlsplit(named if "://" in named else f"//{named}")
        try:
            port = address.port or CLIENT_PORT
            with socket.create_connection((address.hostname or "", port), LISTENS_WITHIN):
                return
        except (OSError, ValueError) as error:
            raise HarnessError(
                f"--executor {self.given}: no Ray listens at {named} ({error}).",
                f"`ray start --head` starts one; ray://HOST:{CLIENT_PORT} is reached from elsewhere, HOST:6379 (RAY_ADDRESS) "
                "from a machine of the cluster.",
            ) from None


def _minor(version: str | None) -> str | None:
    """2.13.0+cpu -> 2.13"""
    return None if version in (None, "None") else ".".join(str(version).split(".")[:2])


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
