"""Student's t in closed form, held against scipy."""

import pytest
from scipy import special

from crucible.adapters.statistics.student import CLOSED_FORM, t_quantile, t_two_sided


@pytest.mark.parametrize("df", [*range(1, 31), 60, 99, 150, CLOSED_FORM])
@pytest.mark.parametrize("p", [0.5, 0.75, 0.95, 0.975, 0.995, 0.9995, 0.025])
def test_the_quantile_is_scipys(df: int, p: float) -> None:
    assert t_quantile(p, df) == pytest.approx(float(special.stdtrit(df, p)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 30, 199])
@pytest.mark.parametrize("t", [0.0, 0.1, 1.0, 2.5, 40.0])
def test_the_distribution_function_is_scipys(df: int, t: float) -> None:
    assert t_two_sided(t, df) == pytest.approx(2 * float(special.stdtr(df, t)) - 1, abs=1e-13)


def test_the_textbook_values() -> None:
    assert t_quantile(0.975, 10) == pytest.approx(2.228139, abs=1e-6)
    assert t_quantile(0.975, 1) == pytest.approx(12.706205, abs=1e-6)
    assert t_quantile(0.995, 10) == pytest.approx(3.169273, abs=1e-6)


@pytest.mark.parametrize("df", [10.5, CLOSED_FORM + 1, 1e6])
def test_beyond_the_closed_form_scipy_answers(df: float) -> None:
    assert t_quantile(0.975, df) == float(special.stdtrit(df, 0.975))
