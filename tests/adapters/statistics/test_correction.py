import pytest
from scipy import stats

from crucible.adapters.statistics.correction import adjust

P = [0.01, 0.04, 0.03, 0.005, 0.9]


def test_bonferroni_multiplies_and_stops_at_1() -> None:
    assert adjust(P, "bonferroni") == pytest.approx([0.05, 0.2, 0.15, 0.025, 1.0])


def test_holm_steps_down_as_in_r_p_adjust() -> None:
    assert adjust(P, "holm") == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.9])


def test_benjamini_hochberg_equals_scipy() -> None:
    assert adjust(P, "benjamini_hochberg") == pytest.approx(
        list(stats.false_discovery_control(P, method="bh"))
    )


def test_no_correction_keeps_the_values() -> None:
    assert adjust(P, "none") == P


@pytest.mark.parametrize("method", ["none", "bonferroni", "holm", "benjamini_hochberg"])
def test_an_empty_family_is_fine(method: str) -> None:
    assert adjust([], method) == []


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="sidak"):
        adjust(P, "sidak")
