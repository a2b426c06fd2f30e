"""Tasks on equal devices: worked by hand, and against what no schedule can beat."""

import random

import pytest

from harness.errors import HarnessError
from harness.jobs.schedule import Task, scheduled


def test_the_longest_chain_goes_first():
    tasks = [Task("short", 1), Task("train", 2), Task("measure", 3, ("train",)), Task("alone", 2)]
    found = scheduled(tasks, 2)
    at = {one.task.name: (one.device, one.start, one.end) for one in found.placed}
    assert at == {"train": (0, 0, 2), "alone": (1, 0, 2), "measure": (0, 2, 5), "short": (1, 2, 3)}
    assert (found.makespan, found.busy, found.lower_bound) == (5, 8, 5)


def test_a_device_has_one_task_at_a_time_and_nothing_begins_before_what_it_needs():
    draw = random.Random(0)
    tasks = [
        Task(f"{n}", draw.uniform(1, 9), tuple(f"{draw.randrange(n)}" for _ in range(2)) if n else ())
        for n in range(300)
    ]
    found = scheduled(tasks, 7)
    ends = {one.task.name: one.end for one in found.placed}
    assert len(ends) == 300
    for one in found.placed:
        assert all(ends[name] <= one.start for name in one.task.needs)
    for device in range(7):
        own = sorted((one.start, one.end) for one in found.placed if one.device == device)
        assert all(end <= start for (_, end), (start, _) in zip(own, own[1:], strict=False))
    assert found.lower_bound <= found.makespan <= (2 - 1 / 7) * found.lower_bound


def test_the_order_follows_estimates_and_the_times_what_really_happened():
    found = scheduled([Task("a", 5), Task("b", 1)], 1, takes=lambda task: 10 if task.name == "b" else 1)
    assert [(one.task.name, one.start, one.end) for one in found.placed] == [("a", 0, 1), ("b", 1, 11)]


def test_what_is_not_among_the_tasks_is_done():
    assert scheduled([Task("measure", 3, ("train",))], 1).makespan == 3
    assert scheduled([], 4).makespan == scheduled([], 4).lower_bound == 0


@pytest.mark.parametrize(
    ("tasks", "devices", "told"),
    [
        ([Task("a", 1, ("b",)), Task("b", 1, ("a",))], 1, "wait for each other: a, b"),
        ([Task("a", 1), Task("a", 2)], 1, "same name"),
        ([Task("a", 1)], 0, "0 devices"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(tasks, devices, told):
    with pytest.raises(HarnessError, match=told):
        scheduled(tasks, devices)
