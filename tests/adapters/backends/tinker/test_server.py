"""The server of the tests is a fair stand-in: the unmodified SDK trains, saves, resumes and samples on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from .support import KEY, MARKS, Tenant

pytestmark = MARKS
WAIT_S = 30


@pytest.fixture
def service(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    import tinker

    service = tinker.ServiceClient(base_url=tenant.url, api_key=KEY)
    yield service
    service.close("success").result(timeout=WAIT_S)


def datum(tokens: list[int]) -> Any:
    from tinker import types

    inputs = {"target_tokens": np.asarray(tokens[1:]), "weights": np.ones(len(tokens) - 1, np.float32)}
    return types.Datum(model_input=types.ModelInput.from_ints(tokens[:-1]), loss_fn_inputs=inputs)


def client(service: Any, **given: Any) -> Any:
    return service.create_lora_training_client("tiny/lora", rank=4, seed=1, **given).result(timeout=WAIT_S)


def steps(model: Any, count: int) -> list[float]:
    from tinker import types

    losses = []
    for number in range(count):
        data = [datum([5, 9, 9, 4, 20 + number % 3, 7])]
        loss = model.forward_backward(data, "cross_entropy")
        model.optim_step(types.AdamParams(learning_rate=0.05)).result(timeout=WAIT_S)
        losses.append(loss.result(timeout=WAIT_S).metrics["loss:sum"])
    return losses


def test_the_loss_truly_falls_and_repeats_with_the_seed(service: Any) -> None:
    first, second = steps(client(service), 30), steps(client(service), 30)
    assert first == second
    assert first[-1] < 0.2 * first[0]


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    from .model import Base, Lora

    model = Lora(Base(30), 3, 5)
    rng = np.random.default_rng(0)
    model.params["lora_b"] += rng.normal(size=model.params["lora_b"].shape)
    tokens, targets, weights = rng.integers(0, 30, 6), rng.integers(0, 30, 6), rng.random(6)
    model.loss(tokens, targets, weights, gather=True)
    for name, grad in model.grads.items():
        direction = rng.normal(size=grad.shape)
        values = []
        for step in (1e-5, -2e-5):
            model.params[name] += step * direction
            values.append(model.loss(tokens, targets, weights, gather=False)[0])
        model.params[name] += 1e-5 * direction
        assert (values[0] - values[1]) / 2e-5 == pytest.approx((grad * direction).sum(), rel=1e-4)


def test_resuming_with_optimiser_state_equals_going_on(service: Any) -> None:
    undisturbed = steps(client(service), 8)
    model = client(service)
    assert steps(model, 4) == undisturbed[:4]
    saved = model.save_state("half").result(timeout=WAIT_S).path
    resumed = service.create_training_client_from_state_with_optimizer(saved).result(timeout=WAIT_S)
    again = []
    from tinker import types

    for number in range(4, 8):
        loss = resumed.forward_backward([datum([5, 9, 9, 4, 20 + number % 3, 7])], "cross_entropy")
        resumed.optim_step(types.AdamParams(learning_rate=0.05)).result(timeout=WAIT_S)
        again.append(loss.result(timeout=WAIT_S).metrics["loss:sum"])
    assert again == undisturbed[4:]


def test_a_refused_request_leaves_a_gap_that_later_ones_wait_behind(service: Any, tenant: Tenant) -> None:
    import tinker

    model = client(service)
    tenant.control(faults=[{"at": "optim_step", "status": 422}], hold_s=0.2)
    with pytest.raises(tinker.UnprocessableEntityError):
        model.optim_step(tinker.types.AdamParams()).result(timeout=WAIT_S)
    with pytest.raises(TimeoutError):
        model.forward([datum([1, 2, 3])], "cross_entropy").result(timeout=1)


def test_the_sdk_rides_out_rate_limits_and_server_faults(service: Any, tenant: Tenant) -> None:
    model = client(service)
    tenant.control(
        faults=[
            {"at": "forward_backward", "status": 429, "headers": {"retry-after": "0.05"}},
            {"at": "optim_step", "status": 500, "headers": {"retry-after": "0.05"}},
        ]
    )
    assert steps(model, 1)[0] > 0
    assert tenant.counts()["forward_backward"] == 2
    assert tenant.counts()["optim_step"] == 2


def test_a_sample_follows_what_was_learned(service: Any) -> None:
    from tinker import types

    model = client(service)
    for _ in range(60):
        model.forward_backward([datum([11, 12, 13, 14, 15, 16, 0])], "cross_entropy")
        model.optim_step(types.AdamParams(learning_rate=0.05)).result(timeout=WAIT_S)
    path = model.save_weights_for_sampler("x").result(timeout=WAIT_S).path
    sampler = service.create_sampling_client(model_path=path).result(timeout=WAIT_S)
    params = types.SamplingParams(max_tokens=20, temperature=0.0)
    answer = sampler.sample(types.ModelInput.from_ints([11, 12]), 1, params).result(timeout=WAIT_S)
    assert answer.sequences[0].tokens == [13, 14, 15, 16, 0]
    assert answer.sequences[0].stop_reason == "stop"
