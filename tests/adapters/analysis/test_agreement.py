from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from crucible.adapters.analysis import agreement
from crucible.adapters.analysis.agreement import SurrogateAgreement
from crucible.messages.findings import Bar, PersistenceResult, SurrogateScore


def surrogate(beta1: int | None, fragility: float | None = 0.5) -> SurrogateScore:
    return SurrogateScore(
        system="m", sno_id="e", beta1_surrogate=beta1, cycle_count=0, fragility_score=fragility
    )


def exact(loops: int, life: float = 0.2, status: Any = "ok") -> PersistenceResult:
    bars = (Bar(dimension=0, birth=0.0, death=life), Bar(dimension=0, birth=0.0, death=None))
    return PersistenceResult(
        system="m", sno_id="e", status=status, n_points=5, method="x", betti={"0": 1, "1": loops}, bars=bars
    )


def summary(*pairs: tuple[SurrogateScore, PersistenceResult]) -> dict[str, Any]:
    found = SurrogateAgreement(0)
    for left, right in pairs:
        found.add(left, right, group=None)
    result = found.summarize(found.correlations(0.95))
    msgspec.json.encode(result)
    return result


def test_surrogates_that_follow_the_exact_figures_pass_the_gate() -> None:
    pairs = [(surrogate(k, 0.1 * k), exact(2 * k + 1, 0.05 * k + 0.01)) for k in (0, 1, 2, 3, 4, 5)]
    found = summary(*pairs)
    assert found["beta1"]["pearson"] == pytest.approx(1.0)
    assert found["beta1"]["pearson_p"] == pytest.approx(2 / 720)
    assert found["fragility"]["spearman"] == pytest.approx(1.0)
    assert found["gate1"] == {"passes": True, "threshold": 0.35, "alpha": 0.05}
    assert (found["beta1"]["n"], found["beta1"]["p_method"]) == (6, "exact")


def test_a_high_correlation_that_chance_explains_does_not_pass() -> None:
    found = summary(*((surrogate(a), exact(b)) for a, b in ((0, 0), (1, 2), (2, 1), (3, 3))))
    assert found["beta1"]["pearson"] == pytest.approx(0.8)
    assert found["beta1"]["pearson_p"] > 0.05
    assert found["gate1"]["passes"] is False


def test_surrogates_that_run_against_the_exact_figures_do_not_pass() -> None:
    found = summary(*((surrogate(k), exact(9 - k)) for k in range(8)))
    assert found["beta1"]["pearson_p"] < 0.05
    assert found["gate1"]["passes"] is False


def test_without_variance_or_pairs_the_gate_is_neither_passed_nor_missed() -> None:
    flat = summary(*((surrogate(0), exact(k)) for k in range(9)))
    assert flat["beta1"]["status"] == "constant"
    assert flat["gate1"]["passes"] is None
    assert summary()["beta1"]["status"] == "too_few_pairs"
    assert summary()["gate1"]["passes"] is None


def test_answers_without_a_figure_on_both_sides_are_left_out() -> None:
    found = summary(
        (surrogate(None, None), exact(1)),
        (surrogate(1, None), exact(1)),
        (surrogate(1), exact(1, status="too_few_points")),
        (surrogate(1), exact(1)),
    )
    assert (found["beta1"]["n"], found["fragility"]["n"]) == (2, 1)


def test_of_a_long_run_a_sample_is_kept_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MAX_PAIRS", 50)
    random = np.random.default_rng(0)
    values = random.integers(0, 5, 300).tolist()
    found = summary(*((surrogate(value), exact(value + int(random.integers(0, 2)))) for value in values))
    assert (found["beta1"]["n"], found["beta1"]["n_used"]) == (300, 50)
    assert found["gate1"]["passes"] is True
