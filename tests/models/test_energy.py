"""Joules where a counter can be read, None where none can: RAPL's files, written by hand."""

import pytest

pytest.importorskip("torch")

from harness.models.tools import energy
from harness.models.tools.energy import EnergyMeter


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two processor packages, and a part of the first that must not count twice."""
    monkeypatch.setattr(energy, "RAPL", tmp_path)

    def write(**microjoules):
        for name, value in microjoules.items():
            zone = tmp_path / f"intel-rapl:{name.removeprefix('p').replace('_', ':')}"
            zone.mkdir(exist_ok=True)
            (zone / "energy_uj").write_text(f"{value}\n")
            (zone / "max_energy_range_uj").write_text("1000000000\n")

    return write


def test_the_packages_add_up_and_their_parts_do_not(packages):
    packages(p0=1_000_000, p1=5_000_000, p0_0=900_000)
    meter = EnergyMeter("cpu")
    packages(p0=3_500_000, p1=6_000_000, p0_0=2_000_000)
    assert meter.joules() == 3.5


def test_a_counter_that_wraps_round_is_made_good(packages):
    packages(p0=999_000_000)
    meter = EnergyMeter("cpu")
    packages(p0=2_000_000)
    assert meter.joules() == 3.0


def test_without_a_counter_nothing_is_made_up(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "RAPL", tmp_path / "none")
    assert EnergyMeter("cpu").joules() is None
    assert EnergyMeter("cuda:0").joules() is None or isinstance(EnergyMeter("cuda:0").joules(), float)
