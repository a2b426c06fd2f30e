"""The energy that a device has used, in joules, if it has a counter: NVML for a GPU, RAPL for the processor."""

from __future__ import annotations

from pathlib import Path

RAPL = Path("/sys/class/powercap")  # Linux: a counter of microjoules per processor package; often only root can read it


class EnergyMeter:
    """The energy used since the meter was made: `joules()`, or None if there is no counter to read.

    For a GPU it is that of the whole board (NVML's total energy, Volta and later), for a CPU that of all packages
    (RAPL). Both include what other processes use, so let nothing else run while you measure.
    """

    def __init__(self, device: str) -> None:
        """`device` is the name within this process: cpu, or cuda:0."""
        self.device = device
        self.begun = _counters(device)

    def joules(self) -> float | None:
        """Joules so far. A counter may have wrapped around to 0 once."""
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
    """Counter -> its joules, and the joules at which it wraps around to 0; None if no counter can be read."""
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
    except Exception:  # no NVML, an older GPU, or a container that hides it; energy is only reported, so go on
        return None


def _of_packages() -> dict[str, tuple[float, float]] | None:
    counters = {}
    for zone in sorted(RAPL.glob("intel-rapl:*")):
        if zone.name.count(":") != 1:
            continue  # a part of a package, which is included in the package's counter
        try:
            most = float((zone / "max_energy_range_uj").read_text()) / 1e6
            counters[zone.name] = (float((zone / "energy_uj").read_text()) / 1e6, most)
        except (OSError, ValueError):
            return None
    return counters or None
