"""The energy of a training over its runs: added up, and unknown where any run's is."""

from harness.training.watching.energy_note import EnergyNote


def test_a_resumed_training_counts_the_energy_of_its_earlier_runs(tmp_path):
    path = tmp_path / "energy.json"
    assert EnergyNote(path).add(10.0) == 10.0
    assert EnergyNote(path).add(5.0) == 15.0
    assert path.read_text() == "15.0"


def test_where_no_counter_can_be_read_the_sum_is_unknown_from_then_on(tmp_path):
    path = tmp_path / "energy.json"
    assert EnergyNote(path).add(None) is None
    assert EnergyNote(path).add(5.0) is None


def test_a_killed_run_leaves_the_sum_unknown(tmp_path):
    path = tmp_path / "energy.json"
    assert EnergyNote(path).add(10.0) == 10.0
    EnergyNote(path)  # and it never ends
    assert EnergyNote(path).add(5.0) is None
