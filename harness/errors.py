"""What can go wrong on the road, one class per kind.

Every message says which thing, what is wrong with both values, and on an indented second line what to do.
"""


class HarnessError(Exception):
    """A mistake in the input or the environment, explained in one paragraph; never a bug of the harness."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem + (f"\n    {remedy}" if remedy else ""))
        self.problem = problem
        self.remedy = remedy

    @property
    def message(self) -> str:
        """What a user reads: the kind of error, the problem, the remedy."""
        return f"{type(self).__name__}: {self}"


class RecipeError(HarnessError):
    """A recipe, variant, stage or claim that cannot mean anything."""


class SuiteError(HarnessError):
    """A suite or sample that cannot be measured."""


class ReportError(HarnessError):
    """A report or section that cannot be shown."""


class DataError(HarnessError):
    """A data file or row that cannot be used."""


class DeviceError(HarnessError):
    """A device that was asked for and is not there, or that cannot do what is asked of it."""


class StoreError(HarnessError):
    """An artifact that is damaged, locked or cannot be written."""


class CheckpointMissing(HarnessError):
    """A checkpoint that would have to be trained, in a session that must not train."""


class EvaluationMissing(HarnessError):
    """An evaluation that would have to be run, in a session that must not run it."""


class WorkerFailed(HarnessError):
    """A training or model worker that ended without its result."""


class TrainingDiverged(HarnessError):
    """A loss or a gradient that is not finite."""


class WarehouseError(HarnessError):
    """A results file that cannot be read or written."""


class StatisticsError(HarnessError):
    """Scores from which no interval can be computed."""
