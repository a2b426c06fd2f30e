"""A worker without a model, for the tests of those who start workers: it does what its folder says."""

from pathlib import Path

MODULE = "a_worker"
SOURCE = """
import os, signal, sys, time
from pathlib import Path

from harness.errors import DataError
from harness.worker.child import INTERRUPTED, work_in

folder = Path(sys.argv[1])
does = (folder / "does").read_text()


def work():
    if does == "stops":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))
    (folder / "began").touch()
    print("sees", repr(os.environ["CUDA_VISIBLE_DEVICES"]))
    if does == "is wrong":
        raise DataError("row 3 is odd.", "Mend it.")
    if does == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if does == "fails":
        for number in range(40):
            print("line", number)
        return 3
    if does in ("lasts", "stops"):
        time.sleep(120)
    return 0


sys.exit(work_in(folder, work))
"""


def write_worker(root: Path) -> str:
    """The worker as a module below `root`, which has to be on PYTHONPATH; its name."""
    (root / f"{MODULE}.py").write_text(SOURCE)
    return MODULE


def folder_that(does: str, folder: Path) -> Path:
    """A folder whose worker does that."""
    folder.mkdir(parents=True)
    (folder / "does").write_text(does)
    return folder
