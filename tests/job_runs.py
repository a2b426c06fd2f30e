"""One job run as an executor would run it, and what it reports."""

from harness.data.reading.rows import Access
from harness.evaluation.asking.rows import SuiteRows
from harness.jobs.context import JobContext, never
from harness.jobs.job import Job
from harness.jobs.pool import WorkerPool


class Unasked(WorkerPool):
    """A pool whose workers must not be needed."""

    def run(self, module, folder, device, name):
        raise AssertionError(f"{name}: a worker {module} was started")

    def ask_model(self, folder, device, name):
        raise AssertionError(f"{name}: a model was asked")


def context_of(made, pool=None, decided=never):
    """What a job has at hand in a session that measures, and the list of what it reports; without workers by default."""
    made.judging_only = False
    reported = []
    context = JobContext(made.results, pool or Unasked(), SuiteRows(Access("mini")), reported.append, decided=decided)
    return context, reported


def run(work, device="cpu", **more):
    """The job of that work, once it has ended."""
    job = Job("k", "job", "measure", work, progress=work.progress, **more)
    work(job, device)
    return job
