"""A job as a value: where it stands, what it waits for, and how it speaks of a parent that failed."""

import pytest

from harness.errors import HarnessError, StoreError, WorkerFailed
from harness.jobs.job import Job, Progress, in_order, parent_failed, run_side_by_side, waits_for


def job(name, kind="train", needs=(), after=()):
    return Job(name, name, kind, run=lambda job, device: None, needs=list(needs), after=list(after))


def test_a_job_waits_then_runs_then_has_ended_well_or_not():
    one = job("one")
    assert one.state == "waiting"
    one.device = "cpu"
    assert one.state == "running"
    one.ended.set()
    assert one.state == "done"
    one.error = StoreError("the disk is full")
    assert one.state == "failed"


def test_checkpoints_go_before_measurements():
    assert job("one", "train").urgency < job("two", "measure").urgency


def test_nothing_is_known_of_the_progress_of_a_job_that_does_not_say():
    assert job("one").progress() == Progress(0, 0, "")


def test_a_job_waits_for_all_that_stands_before_it_by_whichever_way():
    first = job("first")
    second = job("second", needs=[first])
    third = job("third", after=[second])
    assert waits_for(third, second)
    assert waits_for(third, first)
    assert not waits_for(first, third)
    assert not waits_for(third, third)


def test_parents_come_before_children_whatever_the_order_given():
    ground = job("ground")
    tuned = job("tuned", needs=[ground])
    measured = job("measured", needs=[tuned], after=[job("reference", needs=[ground])])
    found = in_order([measured, tuned, ground])
    assert [one.name for one in found] == ["ground", "tuned", "reference", "measured"]
    assert in_order([]) == []


def test_jobs_run_side_by_side_unless_each_waits_for_another():
    ground = job("ground")
    tuned = job("tuned", needs=[ground])
    measured = job("measured", after=[tuned])
    assert not run_side_by_side([])
    assert not run_side_by_side([ground, tuned, measured])
    assert run_side_by_side([ground, tuned, job("reference", needs=[ground])])


def test_two_jobs_of_the_same_fields_are_two_jobs():
    assert job("one") != job("one")
    assert len(in_order([job("one"), job("one")])) == 2


# ---- a parent that failed -----------------------------------------------------------------------------


def test_the_error_of_a_child_names_what_its_parent_failed_with():
    error = parent_failed("tuned", StoreError("the disk is full.", "Free some space."))
    assert isinstance(error, WorkerFailed)
    assert error.problem == (
        "tuned was not started: what it stands on failed. StoreError: the disk is full.\n    Free some space."
    )


def test_a_grandchild_names_the_first_failure_alone():
    first = StoreError("the disk is full.")
    found = parent_failed("measured", parent_failed("tuned", first))
    assert found.problem == "measured was not started: what it stands on failed. StoreError: the disk is full."
    assert found.__cause__ is first


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("unexpected")])
def test_a_failure_that_nobody_explained_is_given_as_it_is(error):
    found = parent_failed("tuned", error)
    assert isinstance(found, HarnessError)
    assert found.problem.endswith(repr(error))
