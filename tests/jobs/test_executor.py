"""Jobs run side by side: parents before children, each on a device of its own, the most urgent first."""

import tempfile
import threading
import time
from pathlib import Path

from harness.errors import StoreError, WorkerFailed
from harness.jobs.devices import apart, device_inside, together
from harness.jobs.executor import Executor
from harness.jobs.job import Job
from harness.jobs.leases import Leases
from harness.jobs.process import DeviceLost, NoPlaceYet
from harness.jobs.spread import Spread

SOON = 10.0  # seconds within which anything here has happened


class Course:
    """What ran where and in which order, and jobs that write it down."""

    def __init__(self):
        self.lock, self.begun, self.ended = threading.Lock(), [], []

    def job(self, name, kind="train", needs=(), after=(), work=lambda: None):
        def run(job, device):
            with self.lock:
                self.begun.append((name, device))
            work()
            with self.lock:
                self.ended.append(name)

        return Job(name, name, kind, run, needs=list(needs), after=list(after))

    @property
    def order(self):
        return [name for name, _ in self.begun]


def fail(error):
    def work():
        raise error

    return work


def run(jobs, devices=("cpu",), places=None):
    """Start the jobs and wait until all have ended."""
    with tempfile.TemporaryDirectory() as folder:
        executor = Executor(devices, lambda: None, places or Leases(Path(folder)))
        executor.start(jobs)
        for job in jobs:
            assert job.ended.wait(SOON), job.name
        executor.places.give_back()
    return executor


def test_parents_run_before_their_children_though_children_are_started_first():
    course = Course()
    ground = course.job("ground", work=lambda: time.sleep(0.05))
    tuned = course.job("tuned", needs=[ground])
    measured = course.job("measured", "measure", needs=[tuned])
    run([measured, tuned, ground], devices=("cuda:0", "cuda:1"))
    assert course.order == ["ground", "tuned", "measured"]
    assert {job.state for job in (ground, tuned, measured)} == {"done"}
    assert ground.seconds >= 0.05


def test_what_stands_on_a_failure_is_not_started_and_names_it():
    course = Course()
    ground = course.job("ground", work=fail(StoreError("the disk is full.")))
    tuned = course.job("tuned", needs=[ground])
    measured = course.job("measured", "measure", needs=[tuned])
    beside = course.job("beside")
    run([ground, tuned, measured, beside])
    assert sorted(course.order) == ["beside", "ground"]
    assert isinstance(ground.error, StoreError)
    for job in (tuned, measured):
        assert isinstance(job.error, WorkerFailed)
        assert job.error.problem == (
            f"{job.name} was not started: what it stands on failed. StoreError: the disk is full."
        )
        assert job.error.__cause__ is ground.error
    assert [job.state for job in (ground, tuned, measured, beside)] == ["failed", "failed", "failed", "done"]


def test_what_only_comes_after_another_runs_even_when_that_has_failed():
    course = Course()
    reference = course.job("reference", "measure", work=fail(RuntimeError("unexpected")))
    own = course.job("own", "measure", after=[reference])
    run([own, reference])
    assert course.order == ["reference", "own"]
    assert own.state == "done"


def test_a_failure_gives_its_device_back():
    course = Course()
    jobs = [course.job(f"{i}", work=fail(RuntimeError("unexpected"))) for i in range(3)]
    executor = run([*jobs, course.job("last")])
    assert len(course.begun) == 4
    assert executor.free == ["cpu"]


def test_jobs_run_side_by_side_on_as_many_devices_as_there_are():
    course, meeting = Course(), threading.Barrier(2, timeout=SOON)
    jobs = [course.job(name, work=meeting.wait) for name in ("one", "two")]
    run(jobs, devices=("cuda:0", "cuda:1"))
    assert {job.state for job in jobs} == {"done"}, "each waited for the other"
    assert {device for _, device in course.begun} == {"cuda:0", "cuda:1"}
    assert {job.device for job in jobs} == {"cuda:0", "cuda:1"}


def test_no_two_jobs_share_a_device():
    course, together = Course(), []

    def work():
        with course.lock:
            together.append(len(course.begun) - len(course.ended))
        time.sleep(0.01)

    run([course.job(f"{i}", work=work) for i in range(6)], devices=("cuda:0",))
    assert together == [1] * 6


def test_of_those_that_wait_checkpoints_get_a_device_before_measurements():
    course, busy = Course(), threading.Event()
    first = course.job("first", work=lambda: busy.wait(SOON))
    executor = Executor(["cpu"], lambda: None, Leases())
    executor.start([first])
    wait_until(lambda: course.order == ["first"])
    rest = [course.job("measure", "measure"), course.job("measure more", "measure"), course.job("train")]
    executor.start(rest)
    busy.set()
    assert all(job.ended.wait(SOON) for job in rest)
    assert course.order == ["first", "train", "measure", "measure more"]


def test_all_that_a_job_makes_possible_is_weighed_before_its_device_is_given_away():
    for _ in range(20):
        course = Course()
        ground = course.job("ground")
        measured = course.job("measured", "measure", needs=[ground])
        tuned = [course.job(f"tuned {i}", needs=[ground], work=lambda: time.sleep(0.01)) for i in range(2)]
        run([ground, measured, *tuned], devices=("cpu", "cpu"))
        assert course.order[-1] == "measured"


def wait_until(done):
    deadline = time.monotonic() + SOON
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# ---- several devices, lost devices --------------------------------------------------------------------


def test_a_job_of_several_gpus_waits_for_all_of_them_and_is_not_overtaken():
    course, busy = Course(), threading.Event()
    first = course.job("first", work=lambda: busy.wait(SOON))
    wide, narrow = course.job("wide"), course.job("narrow", "measure")
    wide.processes = 2
    executor = Executor(["cuda:0", "cuda:1", "cuda:3"], lambda: None, Places())
    second = course.job("second", work=lambda: busy.wait(SOON))
    executor.start([first, second])
    wait_until(lambda: len(course.begun) == 2)
    executor.start([wide, narrow])
    assert len(course.begun) == 2, "one is free, but the next in turn needs two"
    busy.set()
    assert all(job.ended.wait(SOON) for job in (wide, narrow))
    devices = dict(course.begun)
    assert len(apart(devices["wide"])) == 2
    wait_until(lambda: sorted(executor.free) == ["cuda:0", "cuda:1", "cuda:3"])


def test_names_of_several_devices():
    for devices, name in ((["cuda:0", "cuda:2"], "cuda:0,2"), (["cuda@1", "cuda@3"], "cuda@1,3"), (["cpu"], "cpu")):
        assert together(devices) == name
        assert apart(name) == devices
    assert [device_inside(name) for name in ("cuda:1,2", "cuda@3", "cpu@2", "cpu")] == [
        "cuda:0",
        "cuda:0",
        "cpu",
        "cpu",
    ]


class Places:
    """Devices of which some cannot be had: device -> how often."""

    patience = SOON

    def __init__(self, **without_room):
        self.without_room, self.asked = without_room, []

    def give_back(self):
        pass

    def take(self, device, who, waiting, stopped):
        self.asked.append(device)
        if self.without_room.get(device, 0):
            self.without_room[device] -= 1
            raise NoPlaceYet(device)
        return f"{device} of a machine"


def lost(times):
    left = iter(range(times))

    def work():
        if next(left, None) is not None:
            raise DeviceLost("gpu-7 (power)")

    return work


def test_a_job_whose_machine_is_lost_begins_again_and_a_note_says_so():
    course, told = Course(), []
    job, child = course.job("job", work=lost(2)), course.job("child", "measure")
    child.needs.append(job)
    executor = Executor(["cpu@1", "cpu@2"], lambda: None, Places(), told.append)
    executor.start([job, child])
    assert child.ended.wait(SOON)
    assert course.order == ["job", "job", "job", "child"]
    assert (job.state, job.error, child.state) == ("done", None, "done")
    assert [note.text for note in told] == [
        "job: its machine was lost, gpu-7 (power); it went on elsewhere from its last saved state"
    ] * 2
    wait_until(lambda: sorted(executor.free) == ["cpu@1", "cpu@2"])


def test_a_job_that_loses_every_machine_has_failed():
    job = Course().job("job", work=lost(9))
    executor = Executor(["cpu@1"], lambda: None, Places())
    executor.start([job])
    assert job.ended.wait(SOON)
    assert isinstance(job.error, WorkerFailed)
    assert "job lost its machine 5 times: gpu-7 (power)." in str(job.error)


def test_where_one_device_cannot_be_had_another_is_tried():
    job = Course().job("job")
    places = Places(**{"cpu@1": 9})
    executor = Executor(["cpu@1", "cpu@2"], lambda: None, places)
    executor.start([job])
    assert job.ended.wait(SOON)
    assert places.asked == ["cpu@1", "cpu@2"]
    assert job.place == "cpu@2 of a machine"


# ---- helping ------------------------------------------------------------------------------------------


def shared(course, help=None):
    """A job of eight items that it shares with one who helps: it does its first only, until that one has begun."""
    helped = threading.Event()

    def run(job, device):
        course.begun.append((job.name, device))
        job.spread = Spread(list(range(8)), job.devices)
        job.offer()
        for part in job.spread.until_done():
            course.ended += part
            assert job.devices == 1 or helped.wait(SOON)

    def own(job, device, take, wanted):
        with job.spread.helping(wanted) as parts:
            course.begun.append((f"{job.name} helped", take()))
            helped.set()
            for part in parts:
                course.ended += part

    def failing(job, device, take, wanted):
        with job.spread.helping(wanted):
            helped.set()
            raise WorkerFailed("the worker is gone.")

    job = Job("wide", "wide", "measure", run, devices=2)
    job.spread = None
    work = failing if help == "fails" else own
    job.helped = lambda: work if job.spread is not None and job.spread.begin_to_help() else None
    return job


def test_an_idle_device_helps_a_job_that_can_share_what_it_does():
    course = Course()
    job = shared(course)
    executor = run([job], devices=("cuda:0", "cuda:1"), places=Places())
    assert job.error is None
    assert course.begun == [("wide", "cuda:0"), ("wide helped", "cuda:1 of a machine")]
    assert sorted(course.ended) == list(range(8))
    wait_until(lambda: sorted(executor.free) == ["cuda:0", "cuda:1"])
    assert executor.running == []


def test_a_device_that_a_job_waits_for_helps_nobody():
    course = Course()
    job, other = shared(course), course.job("other", "measure")
    job.devices = 1
    run([job, other], devices=("cuda:0", "cuda:1"))
    assert [name for name, _ in course.begun] == ["wide", "other"]


def test_help_that_fails_is_told_once_and_the_job_does_it_itself():
    course, told = Course(), []
    job = shared(course, help="fails")
    executor = Executor(["cuda:0", "cuda:1"], lambda: None, Places(), told.append)
    executor.start([job])
    assert job.ended.wait(SOON)
    assert job.error is None
    assert sorted(course.ended) == list(range(8))
    wait_until(lambda: sorted(executor.free) == ["cuda:0", "cuda:1"])
    assert [note.text for note in told] == [
        "wide: a device that helped gave up, and the first went on: the worker is gone."
    ]


# ---- stopping -----------------------------------------------------------------------------------------


def test_a_stopped_session_asks_its_workers_to_end_and_starts_nothing_more():
    course, asked = Course(), threading.Event()
    running = course.job("running", work=lambda: asked.wait(SOON))
    waiting = course.job("waiting")
    child = course.job("child", "measure", needs=[waiting])
    executor = Executor(["cpu"], asked.set, Leases())
    executor.start([running])
    wait_until(lambda: course.order == ["running"])
    executor.start([waiting, child])
    executor.stop()
    assert all(job.ended.is_set() for job in (running, waiting, child))
    assert course.order == ["running"]
    assert running.error is None
    assert isinstance(waiting.error, KeyboardInterrupt)
    assert isinstance(child.error, WorkerFailed)
    assert not any(thread.is_alive() for thread in executor.threads)


def test_stopping_what_has_ended_is_no_mistake():
    course = Course()
    executor = run([course.job("one")])
    executor.stop()
    assert course.order == ["one"]
