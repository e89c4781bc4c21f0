"""Correlated errors and calibration."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.voting.agreement import error_agreement
from crucible.actors.voting.calibration import (
    TemperatureCalibration,
    calibration_report,
    fit_isotonic,
    fit_temperature,
)

T, F = True, False


def test_members_that_err_together_are_one_voter() -> None:
    found = error_agreement({"a": [T, F, T, F], "b": [T, F, T, F], "c": [T, F, T, F]})
    assert found.mean_correlation == pytest.approx(1.0)
    assert found.effective_voters == pytest.approx(1.0)


def test_members_that_err_apart_are_as_many_as_they_are() -> None:
    found = error_agreement({"a": [T, T, F, F], "b": [T, F, T, F]})
    assert found.pairs[0].correlation == 0.0
    assert found.pairs[0].both_wrong == 1
    assert found.effective_voters == 2.0


def test_the_correlation_is_phi_worked_by_hand() -> None:
    # Errors of a: items 2, 3, 4 of 5; of b: items 3, 4. phi = (5 x 2 - 3 x 2) / sqrt(3 x 2 x 2 x 3)
    found = error_agreement({"a": [T, T, F, F, F], "b": [T, T, T, F, F]})
    assert found.pairs[0].correlation == pytest.approx(4 / 6)
    assert found.effective_voters == pytest.approx(2 / (1 + 4 / 6))


def test_without_errors_the_correlation_is_unknown() -> None:
    found = error_agreement({"a": [T, T], "b": [T, F]})
    assert (found.pairs[0].correlation, found.effective_voters) == (None, None)


def test_questions_without_a_vote_are_left_out_and_uneven_ones_refused() -> None:
    assert error_agreement({"a": [T, None, F], "b": [T, F, F]}).pairs[0].items == 2
    with pytest.raises(ValueError, match="as many questions"):
        error_agreement({"a": [T], "b": []})


def test_the_calibration_error_is_that_worked_by_hand() -> None:
    report = calibration_report([0.95, 0.95, 0.95, 0.95, 0.15, 1.0], [T, T, T, F, F, T])
    # Bin 9: five answers, summed confidence 4.8, four right: 0.8. Bin 1: 0.15. Together 0.95 of six.
    assert report.error == pytest.approx(0.95 / 6)
    assert (report.bins[9].count, report.bins[9].accuracy) == (5, 0.8)
    assert report.bins[0].accuracy is None
    assert calibration_report([], []).error is None


def test_isotonic_calibration_pools_what_falls() -> None:
    fit = fit_isotonic([0.1, 0.2, 0.3, 0.4, 0.5], [F, T, F, T, T])
    assert fit.thresholds == (0.1, 0.2, 0.4)
    assert fit.values == (0.0, 0.5, 1.0)
    assert [fit.apply(value) for value in (0.0, 0.15, 0.35, 0.9)] == [0.0, 0.0, 0.5, 1.0]


def test_calibration_lowers_the_error_of_overconfident_answers() -> None:
    rng = random.Random(1)

    def draw(count: int) -> tuple[list[float], list[bool]]:
        sure = [rng.uniform(0.5, 1.0) for _ in range(count)]
        return sure, [rng.random() < value**3 for value in sure]

    fit = fit_isotonic(*draw(2_000))
    confidences, correct = draw(2_000)
    before = calibration_report(confidences, correct).error
    after = calibration_report([fit.apply(value) for value in confidences], correct).error
    assert before is not None
    assert after is not None
    assert before > 0.25
    assert after < 0.05


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), min_size=1))
def test_calibration_rises_and_keeps_the_mean(rows: list[tuple[float, bool]]) -> None:
    confidences, correct = [row[0] for row in rows], [row[1] for row in rows]
    fit = fit_isotonic(confidences, correct)
    assert list(fit.values) == sorted(set(fit.values))
    assert sum(fit.apply(value) for value in confidences) == pytest.approx(sum(correct))


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(ValueError, match="no answers to fit"):
        fit_isotonic([], [])
    with pytest.raises(ValueError, match=r"expected a number in \[0, 1\], got 1.5"):
        calibration_report([1.5], [T])
    with pytest.raises(ValueError, match="expected as many"):
        calibration_report([0.5], [])


def test_the_temperature_is_the_one_that_the_answers_were_drawn_with() -> None:
    rng = random.Random(2)
    sure = [rng.uniform(0.02, 0.98) for _ in range(20_000)]
    correct = [rng.random() < TemperatureCalibration(temperature=2.5).apply(value) for value in sure]
    assert fit_temperature(sure, correct).temperature == pytest.approx(2.5, rel=0.05)


def test_a_temperature_keeps_the_order_and_one_half() -> None:
    cool = TemperatureCalibration(temperature=2.0)
    assert cool.apply(0.5) == pytest.approx(0.5)
    assert 0.5 < cool.apply(0.8) < 0.8
    assert cool.apply(0.1) == pytest.approx(1 - cool.apply(0.9))


def test_confidences_that_say_nothing_become_one_half() -> None:
    fit = fit_temperature([0.9, 0.9, 0.1, 0.1], [F, F, T, T])
    assert fit.apply(0.9) == 0.5


def test_certainty_that_is_always_right_stays_and_stays_finite() -> None:
    fit = fit_temperature([1.0, 1.0, 0.0], [T, T, F])
    assert fit.apply(1.0) == pytest.approx(1.0)
    assert fit.apply(0.0) == pytest.approx(0.0)
