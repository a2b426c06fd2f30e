"""One domain after the other: does learning the events undo the defects, and statistics both?

Continual learning (McCloskey and Cohen 1989; Lopez-Paz and Ranzato 2017, arXiv:1706.08840): the weights that know the
defects are taught the events, then statistics; once by each domain's rows alone, once with a tenth of all earlier rows
among them (Robins 1995). Measured after each by the questions of all.
"""

from harness import Curriculum
from recipes.events_2025 import EVENTS_2025
from recipes.software_defect import SOFTWARE_DEFECT
from recipes.stats_qlora import STATS_QLORA

LESSONS = [SOFTWARE_DEFECT, EVENTS_2025, STATS_QLORA]
SIZES = ["mini", "small"]
PLAIN = Curriculum("continual", LESSONS, variants=SIZES)
REPLAYED = Curriculum("continual_replay", LESSONS, replay=0.1, variants=SIZES)
