"""Loss terms: their slopes are derivatives, and the weights that are sent are those of the whole loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crucible.adapters.backends.tinker import TinkerBackend, TinkerOptions
from crucible.adapters.backends.tinker.datums import Datum
from crucible.adapters.backends.tinker.options import Regulariser
from crucible.adapters.backends.tinker.regularisers import (
    Array,
    _plugins,
    find_term,
    needs_reference,
    term_names,
)
from crucible.adapters.backends.tinker.shaping import shape
from crucible.messages.errors import BackendError, UnknownNameError

RNG = np.random.default_rng(5)
LOGPROBS = -RNG.uniform(0.01, 6.0, size=9)
REFERENCE = -RNG.uniform(0.01, 6.0, size=9)
STEP = 1e-6


def numeric(function: Any, at: Array) -> Array:
    """Central differences."""
    found = np.empty_like(at)
    for index in range(len(at)):
        change = np.zeros_like(at)
        change[index] = STEP
        found[index] = (function(at + change) - function(at - change)) / (2 * STEP)
    return found


@pytest.mark.parametrize("name", term_names())
def test_the_slope_of_a_term_is_its_derivative(name: str) -> None:
    term = find_term(name)
    reference = REFERENCE if needs_reference(term) else None
    _, slope = term(LOGPROBS, reference)
    assert slope == pytest.approx(numeric(lambda at: term(at, reference)[0], LOGPROBS), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["kl_k1", "kl_k3", "drift_l2"])
def test_a_term_that_refers_is_zero_at_its_reference(name: str) -> None:
    assert find_term(name)(LOGPROBS, LOGPROBS)[0] == pytest.approx(0.0, abs=1e-12)


def test_the_estimators_agree_with_the_divergence_on_tokens_of_the_model() -> None:
    model, reference = RNG.dirichlet(np.ones(20)), RNG.dirichlet(np.ones(20))
    exact = float((model * np.log(model / reference)).sum())
    drawn = RNG.choice(20, size=200_000, p=model)
    logprobs, referred = np.log(model)[drawn], np.log(reference)[drawn]
    for name in ("kl_k1", "kl_k3"):
        assert find_term(name)(logprobs, referred)[0] / len(drawn) == pytest.approx(exact, rel=0.05), name


def test_k3_is_never_negative_and_k1_may_be() -> None:
    assert find_term("kl_k3")(REFERENCE - 2.0, REFERENCE)[0] > 0
    assert find_term("kl_k1")(REFERENCE - 2.0, REFERENCE)[0] < 0


def test_the_confidence_penalty_pulls_towards_a_probability_of_one_in_e() -> None:
    _, slope = find_term("confidence")(np.log(np.asarray([0.9, 1 / np.e, 0.1])), None)
    assert slope[0] > 0 > slope[2]
    assert slope[1] == pytest.approx(0.0, abs=1e-12)


# the whole loss

DATUMS = [
    Datum([5, 6, 7, 8], np.asarray([6, 7, 8, 9]), np.asarray([0, 0, 1, 2], np.float32)),
    Datum([5, 6, 7], np.asarray([6, 7, 9]), np.asarray([0, 1.5, 1], np.float32)),
]
ROWS = [np.asarray([-1.0, -2.0, -0.5, -3.0]), np.asarray([-0.1, -1.2, -2.2])]
REFERENCES = [np.asarray([-0.7, -2.5]), np.asarray([-1.0, -0.3])]
GIVEN = (
    Regulariser(term="kl_k3", weight=0.3),
    Regulariser(term="drift_l2", weight=0.7, name="drift"),
    Regulariser(term="confidence", weight=2.0),
)


def whole_loss(rows: Array) -> float:
    """Written out by hand, for the tokens of the answers."""
    first, second = rows[:4], rows[4:]
    l = np.concatenate([first[2:], second[1:]])  # noqa: E741
    r = np.concatenate(REFERENCES)
    cross_entropy = -(first[2] + 2 * first[3] + 1.5 * second[1] + second[2])
    k3 = np.exp(r - l) - 1 - (r - l)
    return float(
        cross_entropy + 0.3 * k3.sum() + 0.7 * 0.5 * ((l - r) ** 2).sum() + 2.0 * (np.exp(l) * l).sum()
    )


def test_the_weights_are_minus_the_derivative_of_the_whole_loss() -> None:
    made = shape(GIVEN, DATUMS, ROWS, REFERENCES)
    expected = -numeric(whole_loss, np.concatenate(ROWS))
    assert np.concatenate(made.weights) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert [weights.dtype for weights in made.weights] == [np.float32, np.float32]
    assert made.weights[0][:2].tolist() == [0.0, 0.0]  # the prompt


def test_values_are_means_over_the_tokens_and_norms_those_of_the_weighted_slopes() -> None:
    made = shape(GIVEN, DATUMS, ROWS, REFERENCES)
    terms = {term.name: term for term in made.terms}
    assert list(terms) == ["cross_entropy", "kl_k3", "drift", "confidence"]
    l, r = np.asarray([-0.5, -3.0, -1.2, -2.2]), np.concatenate(REFERENCES)  # noqa: E741
    assert made.loss_sum == pytest.approx(0.5 + 2 * 3.0 + 1.5 * 1.2 + 2.2)
    assert terms["cross_entropy"].value == pytest.approx(made.loss_sum / 5.5)
    assert terms["cross_entropy"].gradient_norm == pytest.approx(np.sqrt(1 + 4 + 2.25 + 1))
    assert terms["drift"].value == pytest.approx(0.5 * ((l - r) ** 2).mean())
    assert terms["drift"].gradient_norm == pytest.approx(0.7 * np.linalg.norm(l - r))
    assert terms["kl_k3"].gradient_norm == pytest.approx(0.3 * np.linalg.norm(1 - np.exp(r - l)))
    assert terms["drift"].weight == 0.7


def test_without_regularisers_the_weights_stay_as_they_are() -> None:
    made = shape((), DATUMS, ROWS, None)
    assert all((a == datum.weights).all() for a, datum in zip(made.weights, DATUMS, strict=True))


def test_a_term_that_is_not_finite_is_refused_by_name() -> None:
    far = [row - 200.0 for row in ROWS]
    with pytest.raises(BackendError, match=r"regulariser 'kl_k3' is .*nothing of this step was applied"):
        shape(GIVEN, DATUMS, far, REFERENCES)


# plug-ins and options


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "my_terms.py").write_text(
        "import numpy as np\n"
        "def brier(logprobs, reference):\n"
        "    p = np.exp(logprobs)\n"
        "    return float(((1 - p) ** 2).sum()), -2 * (1 - p) * p\n"
        "def odd(logprobs, reference):\n"
        "    return 0.0, 1.0\n"
    )
    info = tmp_path / "my_terms-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-terms\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[crucible.loss_terms]\nbrier = my_terms:brier\nodd = my_terms:odd\ngone = my_terms:gone\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    _plugins.cache_clear()
    yield
    _plugins.cache_clear()


@pytest.mark.usefixtures("plugin")
def test_a_term_of_a_plugin_is_used_as_the_built_in_ones() -> None:
    assert "brier" in term_names()
    term = find_term("brier")
    assert term(LOGPROBS, None)[1] == pytest.approx(numeric(lambda at: term(at, None)[0], LOGPROBS), abs=1e-6)
    made = shape((Regulariser(term="brier", weight=1.0),), DATUMS, ROWS, None)
    assert made.weights[1][0] == 0.0
    assert made.weights[1][1] != DATUMS[1].weights[1]


@pytest.mark.usefixtures("plugin")
def test_a_derivative_of_another_shape_is_refused() -> None:
    with pytest.raises(BackendError, match=r"'odd': its derivative has shape \(\): expected \(2,\)"):
        shape((Regulariser(term="odd", weight=1.0),), DATUMS, ROWS, None)


@pytest.mark.usefixtures("plugin")
def test_terms_that_are_missing_are_told_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-x")
    given = tuple(Regulariser(term=name, weight=1.0) for name in ("kl_k2", "gone", "kl_k3"))
    found = TinkerBackend().missing(TinkerOptions(base_model="m", regularisers=given))
    told = {problem.path: problem.message for problem in found}
    assert told["regularisers[0].term"] == "unknown loss term 'kl_k2'; did you mean 'kl_k3'?"
    assert "cannot be imported" in told["regularisers[1].term"]
    assert "regularisers[2].term" not in told


def test_an_unknown_term_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="known: confidence, drift_l2, kl_k1, kl_k3"):
        find_term("zzzz")
