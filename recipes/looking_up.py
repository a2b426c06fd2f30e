"""Would looking it up have done? The new facts as passages in front of each question, instead of trained into weights.

Retrieval (Lewis et al. 2020, arXiv:2005.11401) is the rival of every fine-tune that is to know something: nothing is
trained, facts can be exchanged at any time, and each answer costs more tokens. The open book puts the right passages
in front: what the model could say if retrieval never failed, and so the ceiling. Both are asked about these facts alone.
"""

from harness import Claim, Mix, OpenBook, Recipe, Retrieve, Variant
from recipes.events_2025 import DATA as EVENTS
from recipes.models import SMOLLM2, TINYLLAMA
from recipes.software_defect import ITEMS as DEFECTS

SIZES = [  # none at tiny scale: passages do not fit the context of 256 tokens of that model
    Variant("mini", base=SMOLLM2, scale="mini"),
    Variant("small", base=SMOLLM2, scale="small"),
    Variant("1.1b", base=TINYLLAMA, scale="full"),
]


def rivals(of: str, data: Mix, suite: str) -> tuple[Recipe, Recipe]:
    """Retrieval and the open book for the facts that a recipe teaches, asked by the suite about them."""
    found = Recipe(
        name=f"{of}_retrieval",
        stages=[Retrieve(data=data, k=3)],  # the three best of all phrasings
        variants=SIZES,
        suites=[suite],
        claims=[Claim(suite, "unseen", higher_than="base", by=0.5, words="what is looked up is said: recall above the base's by at least 0.5")],
    )  # fmt: skip
    right = Recipe(
        name=f"{of}_open_book",
        stages=[OpenBook(data=data)],  # every phrasing of the item that is asked about
        variants=SIZES,
        suites=[suite],
        claims=[Claim(suite, "unseen", no_lower_than=found.name, margin=0.1, words="the right passages are worth no less than those found")],
    )  # fmt: skip
    return found, right


SOFTWARE_DEFECT_RETRIEVAL, SOFTWARE_DEFECT_OPEN_BOOK = rivals("software_defect", DEFECTS, "recall")
EVENTS_2025_RETRIEVAL, EVENTS_2025_OPEN_BOOK = rivals("events_2025", EVENTS, "recall_events")
