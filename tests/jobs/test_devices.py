"""Devices: those a session names, those a machine shows, and how a worker sees its one."""

import os
import stat

import pytest

from harness.environment import threads
from harness.errors import DeviceError
from harness.jobs.devices import device_inside, parse, slots, threads_each, visible_gpus, visible_to_worker


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Sets how many GPUs `nvidia-smi` lists, and what CUDA_VISIBLE_DEVICES says; by default neither."""

    def set_up(gpus=None, visible=None):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if gpus is not None:
            program = tmp_path / "nvidia-smi"
            lines = [f"GPU {i}: NVIDIA H100 (UUID: GPU-{i}a)" for i in range(gpus)]
            lines.insert(1, "  MIG 3g.40gb     Device  0: (UUID: MIG-7b)")
            lines.insert(2, "  MIG 3g.40gb     Device  1: (UUID: MIG-8b)")
            listed = "".join(f"echo '{line}'\n" for line in lines)
            program.write_text(f"#!/bin/sh\necho 'a warning'\n{listed}")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    set_up()
    return set_up


def test_without_the_option_it_is_the_processor():
    assert parse(None) == ["cpu"]


@pytest.mark.usefixtures("machine")
def test_a_machine_without_gpus_shows_none_and_says_so():
    assert visible_gpus() == []
    with pytest.raises(DeviceError) as error:
        parse("0")
    assert error.value.problem == "--gpu 0: this machine shows no CUDA device 0 (visible: none)."
    assert error.value.remedy == "Leave --gpu out to run on the CPU."


def test_devices_are_those_named_in_their_order(machine):
    machine(gpus=4)
    assert parse("2,0") == ["cuda:2", "cuda:0"]
    with pytest.raises(DeviceError, match=r"no CUDA device 4 \(visible: 0, 1, 2, 3\)") as error:
        parse("0,4")
    assert error.value.remedy == "Choose among those visible."


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [
        (None, [0, 1, 2, 3]),
        ("2,3", [0, 1]),
        ("", []),
        ("-1", []),
        ("0,1,2,3,4,5", [0, 1, 2, 3]),
        ("0,7,1", [0]),  # CUDA reads no further than the first that is not there
        ("GPU-2a,GPU-3", [0, 1]),
        ("MIG-7b,MIG-8b,GPU-1a", [0, 1, 2]),
        ("MIG-9b", []),
    ],
)
def test_a_machine_shows_what_its_driver_lists_and_the_environment_leaves(machine, visible, numbers):
    machine(gpus=4, visible=visible)
    assert visible_gpus() == numbers


@pytest.mark.usefixtures("machine")
def test_what_was_measured_on_a_gpu_is_judged_where_there_is_none():
    assert parse("1", use=False) == ["cuda:1"]


@pytest.mark.parametrize("option", ["a", "0,", "", "0 1"])
def test_what_is_no_list_of_numbers_is_refused(option):
    with pytest.raises(DeviceError, match="not a list of device numbers") as error:
        parse(option)
    assert error.value.remedy == "Write --gpu 0 or --gpu 0,1."


def test_a_device_named_twice_is_refused(machine):
    machine(gpus=2)
    with pytest.raises(DeviceError, match="a device is named twice"):
        parse("1,1")


def test_a_worker_sees_its_one_device_as_the_first(machine):
    assert visible_to_worker("cuda:3") == "3"
    assert visible_to_worker("cpu") == "", "and none where it computes on the processor"
    machine(visible="6, 7")
    assert visible_to_worker("cuda:1") == "7"
    assert (device_inside("cuda:1"), device_inside("cpu")) == ("cuda:0", "cpu")


def test_one_job_runs_on_each_gpu_and_two_on_a_processor_of_several_cores():
    assert slots(("cuda:0", "cuda:2")) == ["cuda:0", "cuda:2"]
    assert slots(("cpu",)) == ["cpu"] * min(2, threads())


def test_jobs_that_share_a_processor_share_its_threads():
    assert threads_each(("cpu",), side_by_side=True) == max(1, threads() // 2)
    assert threads_each(("cpu",), side_by_side=False) == threads()
    assert threads_each(("cuda:0", "cuda:1"), side_by_side=True) == threads()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the processor's cores cannot be chosen")
def test_one_job_runs_on_a_processor_of_one_core():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, [min(allowed)])
        assert slots(("cpu",)) == ["cpu"]
    finally:
        os.sched_setaffinity(0, allowed)
