"""Devices a session may use: the CPU, or the CUDA devices it names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from itertools import takewhile

from harness.environment import threads, visible_gpu
from harness.errors import DeviceError


def parse(option: str | None, use: bool = True) -> list[str]:
    """`--gpu 0,1` -> ['cuda:0', 'cuda:1']; no option -> ['cpu'].

    Raises DeviceError where this machine lacks a device. With use=False a name is enough: what another machine measured
    can be judged here.
    """
    if option is None:
        return ["cpu"]
    try:
        numbers = [int(part) for part in option.split(",")]
    except ValueError:
        raise DeviceError(f"--gpu {option}: not a list of device numbers.", "Write --gpu 0 or --gpu 0,1.") from None
    visible = visible_gpus() if use else numbers
    for number in numbers:
        if number not in visible:
            shown = ", ".join(map(str, visible)) or "none"
            raise DeviceError(
                f"--gpu {option}: this machine shows no CUDA device {number} (visible: {shown}).",
                "Leave --gpu out to run on the CPU." if not visible else "Choose among those visible.",
            )
    if len(set(numbers)) < len(numbers):
        raise DeviceError(f"--gpu {option}: a device is named twice.")
    return [f"cuda:{number}" for number in numbers]


def visible_gpus() -> list[int]:
    """Numbers of the CUDA devices that a worker would see, according to `nvidia-smi` and CUDA_VISIBLE_DEVICES.

    The variable names GPUs by number or UUID, and slices of them by UUID; CUDA reads it up to the first name that it
    does not know (CUDA Programming Guide, "CUDA Environment Variables").
    """
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    whole = sum(line.startswith("GPU ") for line in listed.splitlines())
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return list(range(whole))
    known = takewhile(lambda name: _is_listed(name.strip(), whole, listed), chosen.split(","))
    return list(range(len(list(known))))


def _is_listed(name: str, whole: int, listed: str) -> bool:
    """Whether the name of CUDA_VISIBLE_DEVICES is a number below `whole`, or begins a UUID in the list."""
    return int(name) < whole if name.isdecimal() else name.startswith(("GPU-", "MIG-")) and f"UUID: {name}" in listed


def together(devices: Sequence[str]) -> str:
    """Several devices of one job as one name, whatever their order: cuda:2 and cuda:0 -> cuda:0,2."""
    if len(devices) == 1:
        return devices[0]
    mark = "@" if "@" in devices[0] else ":"
    numbers = sorted(int(device.partition(mark)[2]) for device in devices)
    return f"{devices[0].partition(mark)[0]}{mark}{','.join(map(str, numbers))}"


def apart(device: str) -> list[str]:
    """The devices in such a name."""
    mark = "@" if "@" in device else ":"
    kind, _, numbers = device.partition(mark)
    return [f"{kind}{mark}{number}" for number in numbers.split(",")] if numbers else [device]


def visible_to_worker(device: str) -> str:
    """What CUDA_VISIBLE_DEVICES must be, so that a worker sees its one device as cuda:0, the next as cuda:1."""
    return ",".join(visible_gpu(one) for one in apart(device)) if device.startswith("cuda") else ""


def device_inside(device: str) -> str:
    """The device's name within its worker, which sees no other: cuda:0 of `cuda:2` here or of slot `cuda@2` elsewhere."""
    device, _, _ = device.partition("@")
    return "cuda:0" if device.startswith("cuda") else device


def threads_each(devices: tuple[str, ...], side_by_side: bool) -> int:
    """Threads of a worker. Jobs that share a CPU share its threads: two with all of them each are a fifth slower."""
    return max(1, threads() // len(slots(devices))) if devices == ("cpu",) and side_by_side else threads()


def slots(devices: tuple[str, ...]) -> list[str]:
    """Jobs that may run at once: one per GPU; two on a CPU of several cores, since one alone leaves cores idle
    while it imports, tokenizes and scores."""
    return ["cpu"] * min(2, threads()) if devices == ("cpu",) else list(devices)
