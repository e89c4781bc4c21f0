from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.extractive import ExtractiveBackend, ExtractiveOptions
from crucible.adapters.backends.extractive.session import ExtractiveSession
from crucible.adapters.cns import parse_claims
from crucible.messages.errors import BackendError, InputError
from crucible.messages.records import Example

from ..support import INPUT, TASK, VERIFY_INPUT, request, row

THINGS = ["tea", "coffee", "milk", "water", "juice", "wine", "beer", "cider", "cocoa", "lemonade"]


def rows(count: int, seed: int = 0) -> list[Example]:
    """Passages whose evidence is the sentence that says "we demonstrate", and refutes when it says "not"."""
    rng = random.Random(seed)
    return [_row(rng, number) for number in range(count)]


def _row(rng: random.Random, number: int) -> Example:
    a, b, c, d = rng.sample(THINGS, 4)
    refutes = rng.random() < 0.5
    finding = f"We demonstrate that {a} does {'not ' if refutes else ''}change {b} levels."
    sentences = [f"Everyone knows {a} and {c}.", f"People met to drink {b}.", f"Nobody counted {d}.", finding]
    rng.shuffle(sentences)
    prompt = f"Passage:\nDocument {number}: About {a}\n\n{' '.join(sentences)}{TASK}"
    label = "refutes" if refutes else "supports"
    claims = f"CLAIM[c1]: {a} changes {b}\nCLAIM[c2] (Document {number}): {finding}\nRELATION: c2 {label} c1"
    return Example(id=f"row-{number}", input=prompt, reference=claims, split="train")


async def opened(workdir: Path, **given: Any) -> ExtractiveSession:
    options = msgspec.convert(given, ExtractiveOptions)
    return await ExtractiveBackend().open(options, seed=0, workdir=workdir)


async def train(
    session: ExtractiveSession, data: Sequence[Example], steps: int, *, start: int = 0
) -> list[float]:
    means = []
    for step in range(start, start + steps):
        first = step * 4 % len(data)
        report = await session.train_step(data[first : first + 4])
        means.append(report.loss_sum / report.weight_sum)
        await session.optim_step(0.02)
    return means


async def share_right(session: ExtractiveSession, data: Sequence[Example]) -> float:
    sampler = await session.sampler()
    right = 0
    for example in data:
        reply = await sampler.sample(request(example.input))
        answer = parse_claims(reply.completions[0].text, strict=True)
        wanted = parse_claims(example.reference or "")
        right += [(claim.text, claim.document_id) for claim in answer.claims[1:]] == [
            (claim.text, claim.document_id) for claim in wanted.claims[1:]
        ] and answer.relations[0].label == wanted.relations[0].label
    return right / len(data)


async def test_it_learns_which_sentences_are_evidence_and_their_direction(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    unseen = rows(30, seed=1)
    before = await share_right(session, unseen)
    await train(session, rows(60), 90)
    after = await share_right(session, unseen)
    assert before < 0.6
    assert after > 0.9


async def test_the_held_out_loss_falls(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    unseen = rows(20, seed=1)
    losses = []
    for epoch in range(4):
        report = await session.evaluate(unseen)
        losses.append(report.loss_sum / report.weight_sum)
        await train(session, rows(40), 10, start=10 * epoch)
    assert losses == sorted(losses, reverse=True)


async def test_a_training_step_counts_sentences_and_evidence_and_stated_claims(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    extract = await session.train_step([row()])
    verify = await session.train_step([row(text=VERIFY_INPUT)])
    assert (extract.weight_sum, verify.weight_sum) == (4 + 1, 4 + 1 + 1)
    assert extract.unit == "label"


async def test_gradients_of_two_steps_add_up_to_those_of_one(tmp_path: Path) -> None:
    data = rows(4)
    together, apart = await opened(tmp_path), await opened(tmp_path)
    await together.train_step(data)
    await apart.train_step(data[:2])
    await apart.train_step(data[2:])
    for session in (together, apart):
        await session.optim_step(0.1)
    unseen = rows(4, seed=1)
    assert (await together.evaluate(unseen)).loss_sum == pytest.approx(
        (await apart.evaluate(unseen)).loss_sum, rel=1e-9
    )


async def test_evaluation_leaves_no_gradient(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    await session.evaluate([row()])
    with pytest.raises(BackendError, match="optim_step"):
        await session.optim_step(0.1)


async def test_ten_steps_equal_five_saved_loaded_and_five_more_bit_for_bit(tmp_path: Path) -> None:
    data = rows(12)
    straight = await opened(tmp_path)
    means = await train(straight, data, 10)
    whole = await straight.save_checkpoint("straight", step=10, epoch=0, loss=None)

    first = await opened(tmp_path)
    resumed_means = await train(first, data, 5)
    half = await first.save_checkpoint("half", step=5, epoch=0, loss=None)
    second = await opened(tmp_path)
    await second.load_checkpoint(half)
    resumed_means += await train(second, data, 5, start=5)
    resumed = await second.save_checkpoint("resumed", step=10, epoch=0, loss=None)

    assert resumed_means == means
    assert resumed.sha256 == whole.sha256


async def test_the_sha256_of_a_checkpoint_is_that_of_its_file(tmp_path: Path) -> None:
    ref = await (await opened(tmp_path)).save_checkpoint("first", step=0, epoch=2, loss=0.7)
    assert ref.sha256 == hashlib.sha256((tmp_path / "first.npz").read_bytes()).hexdigest()
    assert (ref.step, ref.epoch, ref.loss) == (0, 2, 0.7)


@pytest.mark.parametrize("other", [{"dimension": 2**10}, {"l2": 0.5}, {"use_position": False}])
async def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    ref = await (await opened(tmp_path)).save_checkpoint("first", step=0, epoch=0, loss=None)
    with pytest.raises(BackendError, match="trained with other options"):
        await (await opened(tmp_path, **other)).load_checkpoint(ref)


async def test_a_checkpoint_fits_another_way_of_answering(tmp_path: Path) -> None:
    ref = await (await opened(tmp_path)).save_checkpoint("first", step=0, epoch=0, loss=None)
    assert await (await opened(tmp_path, max_claims=1)).sampler(ref) is not None


async def test_a_sampler_keeps_its_weights_while_training_goes_on(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    sampler = await session.sampler()
    example = rows(1, seed=5)[0]
    before = await sampler.sample(request(example.input))
    asked = asyncio.gather(*(sampler.sample(request(example.input)) for _ in range(10)))
    await train(session, rows(20), 20)
    during = await asked
    assert all(reply.completions == before.completions for reply in during)
    after = await (await session.sampler()).sample(request(example.input))
    assert after.completions != before.completions


async def test_a_sampler_of_a_checkpoint_does_not_change_the_session(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    ref = await session.save_checkpoint("start", step=0, epoch=0, loss=None)
    await train(session, rows(20), 20)
    now = await session.evaluate(rows(3, seed=2))
    await session.sampler(ref)
    assert await session.evaluate(rows(3, seed=2)) == now


async def test_the_cache_of_features_is_bounded_and_changes_no_figure(tmp_path: Path) -> None:
    small, none = await opened(tmp_path, cache_rows=3), await opened(tmp_path, cache_rows=0)
    data = rows(8)
    assert await train(small, data, 4) == await train(none, data, 4)
    assert len(small._cache) == 3
    assert len(none._cache) == 0


async def test_an_extraction_always_names_evidence(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    nothing = [msgspec.structs.replace(each, reference="CLAIM[c1]: nothing here") for each in rows(8)]
    await train(session, nothing, 60)
    reply = await (await session.sampler()).sample(request(INPUT))
    assert len(parse_claims(reply.completions[0].text).claims) >= 2


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_stated_claim_may_find_no_evidence(tmp_path: Path, allowed: bool) -> None:
    session = await opened(tmp_path, allow_no_evidence=allowed)
    nothing = row(text=VERIFY_INPUT, reference="CLAIM[c1]: Green tea lowers blood pressure.")
    for _ in range(120):
        await session.train_step([nothing])
        await session.optim_step(0.05)
    completion = (await (await session.sampler()).sample(request(VERIFY_INPUT))).completions[0]
    assert (len(parse_claims(completion.text).claims) == 1) is allowed
    assert completion.confidence is not None
    assert (completion.confidence > 0.9) is allowed


async def test_at_most_max_claims_are_named(tmp_path: Path) -> None:
    session = await opened(tmp_path, max_claims=2)
    everything = "\n".join(
        f"CLAIM[c{number}] (Document 7): {text}"
        for number, text in enumerate(("Green tea is widely drunk.", "Weight did not change."), start=2)
    )
    for _ in range(60):
        await session.train_step([row(reference=f"CLAIM[c1]: x\n{everything}")])
        await session.optim_step(0.05)
    reply = await (await session.sampler()).sample(request(INPUT))
    assert [claim.text for claim in parse_claims(reply.completions[0].text).claims[1:]] == [
        "Green tea is widely drunk.",
        "Weight did not change.",
    ]


async def test_untrained_it_answers_with_the_sentence_closest_to_the_claim(tmp_path: Path) -> None:
    reply = await (await (await opened(tmp_path, max_claims=1)).sampler()).sample(request(VERIFY_INPUT))
    claims = parse_claims(reply.completions[0].text).claims
    assert "lowered blood pressure by 4 mmHg" in claims[1].text


async def test_prompts_without_a_passage_are_refused(tmp_path: Path) -> None:
    session = await opened(tmp_path)
    with pytest.raises(InputError, match=r"row-3.*no passage"):
        await session.train_step([row(3, text="What is tea?")])
    with pytest.raises(BackendError, match="no passage"):
        await (await session.sampler()).sample(request("What is tea?"))
