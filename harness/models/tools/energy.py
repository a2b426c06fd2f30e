"""Joules that a device has used, where a counter can be read: NVML on CUDA, RAPL on the processor."""

from __future__ import annotations

from pathlib import Path

RAPL = Path("/sys/class/powercap")  # Linux: microjoules since some start, of each processor package; often root's only


class EnergyMeter:
    """The energy used from its making to each reading: `joules()` is None where no counter can be read.

    Of a GPU the whole board's (NVML's total energy, Volta and later), of the CPU all packages' (RAPL), whoever used
    it: share neither while measuring.
    """

    def __init__(self, device: str) -> None:
        """`device` as the process sees it: cpu, or cuda:0."""
        self.device = device
        self.begun = _counters(device)

    def joules(self) -> float | None:
        """Joules so far; a counter that has wrapped round once is made good."""
        if self.begun is None:
            return None
        now = _counters(self.device)
        if now is None or now.keys() != self.begun.keys():
            return None
        used = 0.0
        for name, (value, most) in now.items():
            step = value - self.begun[name][0]
            used += step + most if step < 0 else step
        return round(used, 3)


def _counters(device: str) -> dict[str, tuple[float, float]] | None:
    """name -> joules so far, and the joules at which it starts again from 0; None where there is none to read."""
    return _of_gpu(device) if device.startswith("cuda") else _of_packages()


def _of_gpu(device: str) -> dict[str, tuple[float, float]] | None:
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        try:
            name = str(torch.cuda.get_device_properties(device).uuid)
            handle = pynvml.nvmlDeviceGetHandleByUUID(name if name.startswith("GPU-") else f"GPU-{name}")
            return {name: (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, float("inf"))}
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # no NVML, an older GPU, or a container that hides it: nothing depends on it
        return None


def _of_packages() -> dict[str, tuple[float, float]] | None:
    found = {}
    for zone in sorted(RAPL.glob("intel-rapl:*")):
        if zone.name.count(":") != 1:
            continue  # a part of a package, counted in it
        try:
            most = float((zone / "max_energy_range_uj").read_text()) / 1e6
            found[zone.name] = (float((zone / "energy_uj").read_text()) / 1e6, most)
        except (OSError, ValueError):
            return None
    return found or None
