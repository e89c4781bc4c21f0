"""What every backend must do; a plug-in can be added to BACKENDS to be held to the same."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.actors.ports import Backend, Session
from crucible.adapters.backends.extractive import ExtractiveBackend
from crucible.adapters.backends.lead import LeadBackend
from crucible.adapters.backends.local import LocalBackend
from crucible.adapters.backends.mock import MockBackend
from crucible.adapters.backends.openai import OpenAIBackend
from crucible.adapters.backends.tinker import TinkerBackend
from crucible.messages.errors import BackendError, CrucibleError, InputError
from crucible.messages.records import CheckpointRef, Completion

from .local.support import Kept, make_model, needs_torch
from .openai.support import Server, running_server
from .support import INPUT, VERIFY_INPUT, request, row
from .tinker.support import KEY, MARKS, Tenant, hang_up, make_tokenizer
from .tinker.support import running_server as running_tinker

BACKENDS: dict[str, tuple[Backend, dict[str, Any]]] = {
    "extractive": (ExtractiveBackend(), {}),
    "lead": (LeadBackend(), {}),
    "local": (LocalBackend(), {"base_model": "m", "threads": 1, "lora_dropout": 0.0}),
    "mock": (MockBackend(), {"losses": [2.0, 1.5, 1.0]}),
    "openai": (OpenAIBackend(), {"model": "m"}),
    "tinker": (TinkerBackend(), {"base_model": "tiny/lora"}),
}
OPENED: list[Session] = []
ONLY_THE_USER_KNOWS = {
    "local": {"base_model": "m"},
    "openai": {"model": "m"},
    "tinker": {"base_model": "tiny/lora"},
}
TRAINABLE = {name: pair for name, pair in BACKENDS.items() if pair[0].capabilities.trainable}


NEEDS: dict[str, Any] = {"local": needs_torch, "tinker": MARKS}


def named(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=NEEDS.get(name, ())) for name in sorted(names)]


every_backend = pytest.mark.parametrize("name", named(BACKENDS))
every_trainable_backend = pytest.mark.parametrize("name", named(TRAINABLE))


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """The server that the backend openai asks."""
    with running_server() as port:
        BACKENDS["openai"][1]["base_url"] = Server(port, "contract").url("ok")
        yield


@pytest.fixture(scope="module")
def tinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The service that the backend tinker asks."""
    tokenizer = make_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    with running_tinker(tokenizer) as port:
        given = {"base_url": Tenant(port, "contract").url, "tokenizer": str(tokenizer)}
        BACKENDS["tinker"][1].update(given)
        yield


@pytest.fixture(autouse=True)
def for_tinker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its service and key, and what its SDK leaves to the garbage collector."""
    needed = "tinker" in request.node.name and importlib.util.find_spec("tinker") is not None
    if needed:
        request.getfixturevalue("tinker")
        monkeypatch.setenv("TINKER_API_KEY", KEY)
    yield
    if needed:
        hang_up()


@pytest.fixture(autouse=True)
async def release() -> AsyncIterator[None]:
    """Close what a test has opened."""
    yield
    while OPENED:
        await OPENED.pop().aclose()


@pytest.fixture(scope="module")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A tiny model for the backend local, and its worker; its context keeps answers short."""
    folder = make_model(tmp_path_factory.mktemp("model"), context=232)
    BACKENDS["local"][1]["base_model"] = str(folder)
    kept = Kept(folder)
    yield
    kept.close()


@pytest.fixture(autouse=True)
def local_backend(request: pytest.FixtureRequest) -> None:
    """The tests of the backend local need its libraries and its model."""
    parameters = getattr(request.node, "callspec", None)
    if parameters is None or parameters.params.get("name") != "local":
        return
    request.getfixturevalue("local_model")


def file_of(ref: CheckpointRef) -> Path:
    """The file of a checkpoint; where it is a folder, the one that vouches for the others."""
    path = Path(ref.uri)
    return path / "state.json" if path.is_dir() else path


async def session(name: str, workdir: Path, seed: int = 3) -> Session:
    backend, given = BACKENDS[name]
    options = msgspec.convert(given, backend.Options)
    opened = await backend.open(options, seed=seed, workdir=workdir)
    OPENED.append(opened)
    return opened


@every_backend
def test_unknown_options_are_refused(name: str) -> None:
    given = ONLY_THE_USER_KNOWS.get(name, {})
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**given, "not_an_option": 1}, BACKENDS[name][0].Options)


@every_backend
def test_all_options_have_defaults_but_what_only_the_user_knows(name: str) -> None:
    given = ONLY_THE_USER_KNOWS.get(name, {})
    assert msgspec.convert(given, BACKENDS[name][0].Options) is not None


@every_backend
def test_a_backend_says_what_it_is(name: str) -> None:
    assert BACKENDS[name][0].capabilities.summary


@every_backend
@pytest.mark.parametrize("text", [INPUT, VERIFY_INPUT], ids=["extract", "verify"])
async def test_the_same_request_gets_the_same_answer_from_another_session(
    name: str, text: str, tmp_path: Path
) -> None:
    first = await (await session(name, tmp_path)).sampler()
    second = await (await session(name, tmp_path)).sampler()
    again = (await second.sample(request(text))).completions
    assert_same(name, (await first.sample(request(text))).completions, again)


@every_backend
async def test_a_sampler_gives_as_many_completions_as_asked_for(name: str, tmp_path: Path) -> None:
    reply = await (await (await session(name, tmp_path)).sampler()).sample(request(n=3))
    assert len(reply.completions) == 3
    assert all(answer.text for answer in reply.completions)
    assert reply.usage.prompt_tokens > 0


@every_backend
async def test_concurrent_requests_get_their_own_answers(name: str, tmp_path: Path) -> None:
    sampler = await (await session(name, tmp_path)).sampler()
    texts = [INPUT.replace("120 adults", f"{number} adults") for number in range(20)]
    alone = [(await sampler.sample(request(text))).completions for text in texts]
    together = await asyncio.gather(*(sampler.sample(request(text)) for text in texts))
    for reply, completions in zip(together, alone, strict=True):
        assert_same(name, reply.completions, completions)


@every_backend
async def test_confidence_is_a_probability(name: str, tmp_path: Path) -> None:
    reply = await (await (await session(name, tmp_path)).sampler()).sample(request())
    confidence = reply.completions[0].confidence
    assert confidence is None or 0 <= confidence <= 1


@every_backend
async def test_closing_twice_does_no_harm(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    await opened.aclose()
    await opened.aclose()


@pytest.mark.parametrize("name", sorted(set(BACKENDS) - set(TRAINABLE)))
async def test_a_backend_that_cannot_be_trained_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be trained"):
        await (await session(name, tmp_path)).train_step([row()])


@every_trainable_backend
async def test_a_training_step_reports_its_loss_and_rows(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    step = await opened.train_step([row(1), row(2)])
    assert step.examples == 2
    assert step.weight_sum > 0
    assert step.loss_sum > 0


@every_trainable_backend
async def test_a_row_without_reference_cannot_be_trained_on(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reference"):
        await (await session(name, tmp_path)).train_step([row(reference=None)])


@every_trainable_backend
async def test_an_optimiser_step_needs_gradients(name: str, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="optim_step"):
        await (await session(name, tmp_path)).optim_step(0.1)


@every_trainable_backend
async def test_a_checkpoint_restores_the_state_in_a_new_session(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    await train(opened)
    expected = await opened.evaluate([row()])
    ref = await opened.save_checkpoint("step-1", step=1, epoch=0, loss=0.5)
    assert (ref.name, ref.step, ref.loss) == ("step-1", 1, 0.5)
    restored = await session(name, tmp_path)
    await restored.load_checkpoint(ref)
    assert await restored.evaluate([row()]) == expected


@every_trainable_backend
async def test_a_checkpoint_is_found_after_its_folder_has_moved(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path / "old")
    await train(opened)
    expected = await opened.evaluate([row()])
    ref = await opened.save_checkpoint("last", step=1, epoch=0, loss=None)
    (tmp_path / "old").rename(tmp_path / "new")
    restored = await session(name, tmp_path / "new")
    await restored.load_checkpoint(ref)
    assert await restored.evaluate([row()]) == expected


@every_trainable_backend
async def test_a_damaged_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    ref = await opened.save_checkpoint("last", step=0, epoch=0, loss=None)
    path = file_of(ref)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CrucibleError, match="damaged"):
        await opened.load_checkpoint(ref)


@every_trainable_backend
async def test_a_file_that_is_no_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    ref = await opened.save_checkpoint("last", step=0, epoch=0, loss=None)
    file_of(ref).write_bytes(b"[]")
    with pytest.raises(BackendError, match="not a checkpoint"):
        await opened.load_checkpoint(msgspec.structs.replace(ref, sha256=None))


@every_trainable_backend
async def test_a_missing_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    ref = await opened.save_checkpoint("last", step=0, epoch=0, loss=None)
    file_of(ref).unlink()
    with pytest.raises(BackendError, match="cannot read checkpoint"):
        await opened.sampler(ref)


@every_trainable_backend
async def test_a_checkpoint_name_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="checkpoint name"):
        await (await session(name, tmp_path)).save_checkpoint("../x", step=0, epoch=0, loss=None)


@every_trainable_backend
async def test_saving_leaves_nothing_but_the_checkpoint(name: str, tmp_path: Path) -> None:
    opened = await session(name, tmp_path)
    ref = await opened.save_checkpoint("last", step=0, epoch=0, loss=None)
    assert list(Path(ref.uri).parent.iterdir()) == [Path(ref.uri)]


def assert_same(name: str, found: Sequence[Completion], expected: Sequence[Completion]) -> None:
    """To the bit; of `local` the last bits of the confidence depend on who was answered together."""
    if name != "local":
        assert found == expected
        return
    assert [(each.text, each.finish_reason) for each in found] == [
        (each.text, each.finish_reason) for each in expected
    ]
    assert [each.confidence for each in found] == pytest.approx(
        [each.confidence for each in expected], rel=1e-4
    )


async def train(opened: Session) -> None:
    await opened.train_step([row()])
    await opened.optim_step(0.05)
