"""Many p-values at once, by hand and against statsmodels."""

import pytest

from harness.errors import StatisticsError
from harness.statistics import adjust


def test_adjusted_p_values_by_hand():
    assert adjust([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert adjust([0.04, 0.01, 0.03], "bh") == pytest.approx([0.04, 0.03, 0.04])
    assert adjust([]) == []


@pytest.mark.parametrize(("method", "name"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_adjusted_p_values_agree_with_statsmodels(method, name):
    from statsmodels.stats.multitest import multipletests

    p = [0.5, 0.001, 0.03, 0.03, 1.0, 0.0, 0.2]
    assert adjust(p, method) == pytest.approx(multipletests(p, method=name)[1].tolist(), abs=1e-6)


def test_adjust_refuses_other_methods_and_other_numbers():
    with pytest.raises(StatisticsError, match="bonferroni"):
        adjust([0.1], "bonferroni")
    with pytest.raises(StatisticsError, match=r"p_values\[1\] is 1.5"):
        adjust([0.1, 1.5])
