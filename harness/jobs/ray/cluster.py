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
from urllib.parse import urlsplit

from harness.environment import LIBRARIES, PACKAGE, version_of
from harness.errors import DeviceError, HarnessError
from harness.files import sha256, write_whole
from harness.jobs.devices import apart, together
from harness.jobs.events import Listener, Note
from harness.jobs.process import NoPlaceYet
from harness.jobs.ray.arrivals import Arrivals
from harness.jobs.ray.node import code_digest
from harness.jobs.ray.pool import Slot

CLIENT_PORT = 10001  # of `ray start --head`, for ray://
LISTENS_WITHIN = 5.0  # seconds
GIVES_UP_AFTER = 900.0  # seconds that a job waits for room: machines may have to be started first
PASSED_ON = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_ENDPOINT")  # variables that a worker's answers depend on
OPTIONAL = ("bitsandbytes", "sentence_transformers")  # of the libraries
COPY = "HARNESS_RAY_COPY"  # set: folders are copied though nodes see the session's disk


class Cluster:
    """Slots of a Ray cluster. A slot takes a GPU, or a share of a machine's CPUs, wherever Ray finds them.

    All workers compute with as many threads as the smallest machine can give each: rounding depends on them.
    """

    def __init__(
        self, given: str, store: Path, on_gpus: bool, bfloat16: bool | None = None, report: Listener = lambda _: None
    ) -> None:
        """`bfloat16`: whether the session's keys say so of its GPUs; None where that changes nothing."""
        self.given, self.store, self.on_gpus, self.bfloat16, self.report = given, store, on_gpus, bfloat16, report
        self.threads, self.devices = 1, list[str]()
        self.gpus = 0  # of the machine that has most: as many as one job may take
        self._slots: dict[str, Slot] = {}
        self._versions = {name: found for name in LIBRARIES if (found := version_of(name)) is not None}
        self._lock, self._waiting_since = threading.Lock(), dict[str, float]()  # job -> when it began to wait
        self._refused, self._machines = list[str](), 0  # Ray's names of machines left out, and how many there are
        self._session = uuid.uuid4().hex
        self._token = store / f"{self._session}.seen"  # who can read it sees this store

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
                "Python and Ray have to be of the same versions on all machines. Where the cluster asks for a token, the head's "
                "~/.ray/auth_token has to be here too, and RAY_AUTH_MODE=token set.",
            ) from error
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self._divide(machines)
        self._machines = sum(one.get("GPU" if self.on_gpus else "CPU", 0) > 0 for one in machines)
        self._arrivals = Arrivals(self._session, self.threads, self.on_gpus)

    def _divide(self, machines: list[dict[str, float]]) -> None:
        """Find the slots and their threads."""
        cpus = [int(one.get("CPU", 0)) for one in machines]
        gpus = [min(int(one.get("GPU", 0)), cpu) for one, cpu in zip(machines, cpus, strict=True)]  # a task needs both
        if self.on_gpus:
            if not any(gpus):
                raise DeviceError(
                    f"--gpu: the cluster has no GPU ({len(machines)} machines, {sum(cpus)} CPUs).",
                    "Leave --gpu out to run on its CPUs, or start machines with GPUs (and a CPU for each) first.",
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
        """The slot that was taken by that name; taken now where the job was not expected to need one."""
        if device not in self._slots:
            self.take(device, device, lambda why: None, lambda: False)
        return self._slots[device]

    def take(self, device: str, who: str, waiting: Callable[[str], None], stopped: Callable[[], bool]) -> str:
        """Have the slot on some machine, and return which. Raises NoPlaceYet while Ray finds none that has room.

        Raises HarnessError where no machine's code and libraries are the session's, or the cluster is gone.
        """
        slot = self._slots.get(device)
        if slot is None or slot.lost:
            waiting("a place on the cluster")
            try:
                self._end_others(device)
                slot = self._placed(device, who, stopped)
            except ConnectionError as error:
                raise HarnessError(
                    f"the cluster does not answer any more: {_first_line(error)}", "Run again."
                ) from error
            self._slots[device] = slot
        return f"{device.partition('@')[0]} of {slot.host}"

    @property
    def patience(self) -> float:
        """Seconds within which a worker has left its state, and that is here, once it is asked to end."""
        return 600.0

    def give_back(self) -> None:
        """End all slots, and leave the cluster."""
        if not self.devices:
            return  # it was not joined
        import ray

        for slot in self._slots.values():
            slot.end()
        ray.shutdown()
        self._token.unlink(missing_ok=True)

    # ---- one slot ---------------------------------------------------------------------------------

    def _end_others(self, device: str) -> None:
        """End slots that hold a GPU that this one is given: a job of one follows a job of several, or goes before it."""
        with self._lock:
            for other in [one for one in self._slots if set(apart(one)) & set(apart(device))]:
                self._slots.pop(other).end()

    def _placed(self, device: str, who: str, stopped: Callable[[], bool]) -> Slot:
        """A checked slot. A machine that is refused is left out; the error is raised where there is no other."""
        count = len(apart(device))
        inside = together([f"cuda:{number}" for number in range(count)]) if self.on_gpus else "cpu"
        since = self._waiting_since.setdefault(who, time.monotonic())
        while True:
            try:
                slot = self._arrivals.next(count, inside, self._refused, stopped)
            except NoPlaceYet:
                if time.monotonic() - since > GIVES_UP_AFTER:
                    raise self._without_room(who) from None
                raise
            try:
                self._check(slot)
            except HarnessError as error:
                slot.abandon()
                self._refused.append(str(slot.about["node"]))
                if len(self._refused) >= self._machines:
                    raise
                self.report(Note(f"{slot.host} is left out: {error.problem}"))
                continue
            del self._waiting_since[who]
            return slot

    def _without_room(self, who: str) -> HarnessError:
        return HarnessError(
            f"{who}: no machine of the cluster has had room for {GIVES_UP_AFTER / 60:.0f} minutes.",
            "`ray status` shows what is free and what is asked for; run again, and it goes on where it was.",
        )

    def _check(self, slot: Slot) -> None:
        """Refuse a machine whose results could be others; find out whether it sees the session's store."""
        host = slot.host = str(slot.about["host"])
        if slot.about["code"] != code_digest():
            raise HarnessError(
                f"{host} runs other code of the harness than this session ({PACKAGE}).",
                "The session's own is sent with its jobs: remove another from PYTHONPATH there, and start Ray and the "
                "session in folders that hold none.",
            )
        for name in LIBRARIES:
            theirs = slot.about[name] or "not installed"
            if theirs == "not installed" and name not in self._versions and name not in OPTIONAL:
                raise HarnessError(
                    f"{host} has {name} not installed.", "Install the harness there with its extras `train` and `ray`."
                )
            ours = self._versions.setdefault(name, theirs)  # of the first machine, where the session has none
            if _minor(theirs) != _minor(ours):
                raise HarnessError(
                    f"{host} has {name} {theirs}, and this session works with {ours}.",
                    f"Install the same on all machines: pip install '{name}=={ours}'.",
                )
        if self.on_gpus and self.bfloat16 is not None and slot.about["bfloat16"] != str(self.bfloat16):
            raise DeviceError(
                f"the GPU of {host} {'has no' if self.bfloat16 else 'has'} bfloat16, and this session's results are computed "
                f"{'with' if self.bfloat16 else 'without'} it.",
                "Use machines of one kind, or --exact, which measures in float32.",
            )
        if not self._token.exists():
            write_whole(self._token, self._session)
        if COPY not in os.environ and slot.call("sees", str(self._token), len(self._session), sha256(self._token)):
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


def _minor(version: str) -> str:
    """2.13.0+cpu -> 2.13"""
    return ".".join(version.split(".")[:2])


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
