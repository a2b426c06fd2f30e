"""Tasks on equal devices: which runs where and when. List scheduling, the longest chain of what follows first.

Whenever a device is free, it gets the task that can begin and has the most work behind it. The last task then ends at
most (2 - 1/m) times as late as in the best schedule on m devices (Graham 1969, "Bounds on Multiprocessing Timing
Anomalies", SIAM J. Appl. Math. 17).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import HarnessError


@dataclass(frozen=True)
class Task:
    """Work for one device."""

    name: str
    seconds: float  # as estimated
    needs: tuple[str, ...] = ()  # names of the tasks that end before this one begins; those not given are done


@dataclass(frozen=True)
class Placed:
    """A task on its device."""

    task: Task
    device: int
    start: float  # seconds after the first
    end: float


@dataclass(frozen=True)
class Schedule:
    """All tasks on their devices."""

    placed: tuple[Placed, ...]
    devices: int

    @property
    def makespan(self) -> float:
        """Seconds until the last task ends."""
        return max((one.end for one in self.placed), default=0.0)

    @property
    def busy(self) -> float:
        """Seconds of all devices together in which they work."""
        return sum(one.end - one.start for one in self.placed)

    @property
    def lower_bound(self) -> float:
        """Seconds below which no schedule of these tasks ends: all devices busy throughout, and the longest chain."""
        took = {one.task.name: one.end - one.start for one in self.placed}
        chains = _chains([one.task for one in self.placed], took)
        return max(self.busy / self.devices, max(chains.values(), default=0.0))


def scheduled(tasks: Sequence[Task], devices: int, takes: Callable[[Task], float] | None = None) -> Schedule:
    """The tasks on so many devices. `takes`: the seconds that a task really takes, which the order does not know.

    Raises HarnessError for fewer than one device, a name that is there twice, or tasks that wait for each other.
    """
    if devices < 1:
        raise HarnessError(f"{devices} devices: there has to be one at least.")
    by_name = {task.name: task for task in tasks}
    if len(by_name) < len(tasks):
        raise HarnessError("two tasks have the same name.")
    behind = _behind(tasks)
    waiting = {task.name: {name for name in task.needs if name in by_name} for task in tasks}
    ready = [(-behind[name], number, name) for number, (name, needs) in enumerate(waiting.items()) if not needs]
    order = {name: number for number, name in enumerate(waiting)}
    children = _children(tasks)
    heapq.heapify(ready)
    free, running, placed, now = list(range(devices)), list[tuple[float, int, str]](), list[Placed](), 0.0
    while ready or running:
        while ready and free:
            task = by_name[heapq.heappop(ready)[2]]
            device, seconds = heapq.heappop(free), task.seconds if takes is None else takes(task)
            placed.append(Placed(task, device, now, now + seconds))
            heapq.heappush(running, (now + seconds, device, task.name))
        now, device, ended = heapq.heappop(running)
        heapq.heappush(free, device)
        for child in children.get(ended, ()):
            waiting[child].discard(ended)
            if not waiting[child]:
                heapq.heappush(ready, (-behind[child], order[child], child))
    return Schedule(tuple(placed), devices)


def _children(tasks: Sequence[Task]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for task in tasks:
        for name in set(task.needs):
            found.setdefault(name, []).append(task.name)
    return found


def _behind(tasks: Sequence[Task]) -> dict[str, float]:
    """Seconds of the longest chain that begins with each task."""
    children, seconds = _children(tasks), {task.name: task.seconds for task in tasks}
    found: dict[str, float] = {}
    for task in reversed(_in_order(tasks)):
        after = [found[child] for child in children.get(task.name, ())]
        found[task.name] = seconds[task.name] + max(after, default=0.0)
    return found


def _chains(tasks: Sequence[Task], took: dict[str, float]) -> dict[str, float]:
    """Seconds of the longest chain that ends with each task."""
    found: dict[str, float] = {}
    for task in _in_order(tasks):
        found[task.name] = took[task.name] + max((found.get(name, 0.0) for name in task.needs), default=0.0)
    return found


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    """The tasks, what they need before them (Kahn 1962)."""
    by_name, children = {task.name: task for task in tasks}, _children(tasks)
    left = {task.name: len({name for name in task.needs if name in by_name}) for task in tasks}
    ready, found = [task for task in tasks if not left[task.name]], list[Task]()
    while ready:
        task = ready.pop()
        found.append(task)
        for child in children.get(task.name, ()):
            left[child] -= 1
            if not left[child]:
                ready.append(by_name[child])
    if len(found) < len(tasks):
        raise HarnessError(f"tasks wait for each other: {', '.join(name for name, count in left.items() if count)}.")
    return found
