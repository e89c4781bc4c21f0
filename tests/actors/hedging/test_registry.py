"""Policies from configurations."""

from __future__ import annotations

import pytest

from crucible.actors.hedging.options import BackoffOptions, NoOptions, TieredOptions, TierOptions
from crucible.actors.hedging.plan import HedgePolicy, RequestFeatures
from crucible.actors.hedging.policies import ExponentialBackoff, Percentile
from crucible.actors.hedging.registry import OPTIONS, PolicyRegistry, make_policy
from crucible.actors.hedging.size_class import SizeClass, size_class
from crucible.messages.experiment import HedgingConfig

from .races import ANY, alone

SIZE = size_class(ANY)


def backoff(seed: int) -> HedgePolicy:
    return ExponentialBackoff()


def test_backends_and_size_classes_learn_apart() -> None:
    registry = PolicyRegistry(backoff, seed=0)
    registry.policy_for("a", SIZE).observe(alone(1.0))
    assert registry.policy_for("a", SIZE).plan(0.0, ANY).delay_s == pytest.approx(0.09)
    assert registry.policy_for("b", SIZE).plan(0.0, ANY).delay_s == 0.1
    long = RequestFeatures(max_tokens=4_096)
    assert registry.policy_for("a", size_class(long)).plan(0.0, long).delay_s == 0.1
    assert len(registry) == 3


def test_two_registries_share_nothing() -> None:
    one, two = PolicyRegistry(backoff, seed=0), PolicyRegistry(backoff, seed=0)
    one.policy_for("a", SIZE).observe(alone(1.0))
    assert two.policy_for("a", SIZE).plan(0.0, ANY).delay_s == 0.1


def test_every_key_gets_a_seed_that_depends_on_the_runs() -> None:
    seeds: list[int] = []

    def make(seed: int) -> HedgePolicy:
        seeds.append(seed)
        return ExponentialBackoff()

    for run_seed in (0, 0, 1):
        registry = PolicyRegistry(make, run_seed)
        registry.policy_for("a", SIZE)
        registry.policy_for("b", SIZE)
    assert seeds[:2] == seeds[2:4]
    assert len(set(seeds)) == 4


@pytest.mark.parametrize(
    ("chars", "tokens", "expected"),
    [
        (0, 1, SizeClass(9, 4)),
        (512, 16, SizeClass(9, 4)),
        (513, 17, SizeClass(10, 5)),
        (1_024, 512, SizeClass(10, 9)),
        (10**12, 10**12, SizeClass(24, 24)),
    ],
)
def test_sizes_fall_into_powers_of_two(chars: int, tokens: int, expected: SizeClass) -> None:
    assert size_class(RequestFeatures(prompt_chars=chars, max_tokens=tokens)) == expected


@pytest.mark.parametrize("strategy", sorted(OPTIONS))
def test_every_strategy_makes_a_policy(strategy: str) -> None:
    import msgspec

    raw = {"strategy": strategy, "delay_ms": 50.0, "percentile": 95.0}
    config = msgspec.convert(raw, HedgingConfig)
    tiers = {"tiers": [{"name": "a"}, {"name": "b"}]} if strategy == "tiered" else {}
    policy = make_policy(config, msgspec.convert(tiers, OPTIONS[strategy]), seed=0)
    assert policy.plan(0.0, ANY).reason


def test_the_options_table_has_every_strategy() -> None:
    strategies = HedgingConfig.__annotations__["strategy"].__origin__.__args__
    assert set(OPTIONS) == set(strategies)


def test_options_of_another_strategy_are_refused() -> None:
    with pytest.raises(ValueError, match="percentile=None and BackoffOptions"):
        make_policy(HedgingConfig(strategy="percentile"), BackoffOptions(), seed=0)
    with pytest.raises(ValueError, match="delay_ms=None"):
        make_policy(HedgingConfig(strategy="fixed"), NoOptions(), seed=0)


def test_one_tier_alone_is_never_doubled() -> None:
    options = TieredOptions(tiers=(TierOptions(name="only"),))
    assert make_policy(HedgingConfig(strategy="tiered"), options, 0).plan(0.0, ANY).delay_s is None


def test_a_percentile_policy_takes_its_numbers_from_the_experiment() -> None:
    policy = make_policy(HedgingConfig(strategy="percentile", percentile=50.0), OPTIONS["percentile"](), 0)
    assert isinstance(policy, Percentile)
    for value in range(1, 12):
        policy.observe(alone(float(value)))
    assert policy.plan(0.0, ANY).delay_s == 6.0
