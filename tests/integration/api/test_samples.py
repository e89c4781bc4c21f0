"""Pages of samples: places, filters, runs under way, and damaged files."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from crucible.adapters.runs.pages import SamplePage

from ..daemon import Daemon, experiment, sample

RUNS = "/api/v1/runs"
FLAG = {"side": "output", "flagged": True, "findings": [], "system": "mock"}


@pytest.fixture
async def folder(api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path) -> Path:
    return daemon.run_folder((await api.post(RUNS, json=experiment(tmp_path))).json()["id"])


async def page(api: httpx.AsyncClient, folder: Path, **params: Any) -> SamplePage:
    answer = await api.get(f"{RUNS}/{folder.name}/samples", params=params)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=SamplePage)


def keep(folder: Path, *lines: bytes, name: str = "samples.jsonl") -> None:
    (folder / name).write_bytes(b"".join(lines))


async def test_pages_follow_each_other_without_a_gap(api: httpx.AsyncClient, folder: Path) -> None:
    keep(folder, *(sample(number) for number in range(7)))
    first = await page(api, folder, limit=3)
    assert (first.total, first.start, first.next, first.finished) == (7, 0, 3, True)
    second = await page(api, folder, start=first.next, limit=3)
    third = await page(api, folder, start=second.next, limit=3)
    assert [each.id for each in first.samples + second.samples + third.samples] == [f"s{n}" for n in range(7)]
    assert third.next is None
    assert (await page(api, folder, start=100)).samples == ()


async def test_a_page_shows_what_the_file_holds(api: httpx.AsyncClient, folder: Path) -> None:
    keep(folder, sample(0, input="<script>alert(1)</script> \u202e é"))
    (shown,) = (await page(api, folder)).samples
    assert shown.input == "<script>alert(1)</script> \u202e é"
    assert shown.outputs["mock"].text == "answer 0"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "QUESTION 3"}, [3]),
        ({"text": "answer 2"}, [2]),
        ({"text": "ÉTÉ"}, [4]),
        ({"text": "answer 2", "system": "other"}, []),
        ({"system": "other"}, [1]),
        ({"verdict": "flagged"}, [3]),
        ({"verdict": "clean"}, [0, 1, 2, 4, 5]),
        ({"verdict": "error"}, [5]),
        ({"metric": "exact", "at_least": 0.5}, [1, 3, 5]),
        ({"metric": "exact", "at_most": 0.5}, [0, 2, 4]),
        ({"metric": "nonsense"}, []),
        ({"metric": "exact", "at_least": 1, "verdict": "flagged"}, [3]),
    ],
)
async def test_samples_are_filtered(
    api: httpx.AsyncClient, folder: Path, wanted: dict[str, Any], found: list[int]
) -> None:
    other = {"example_id": "s1", "system": "other", "backend": "mock", "text": "x"}
    failed = {"example_id": "s5", "system": "mock", "backend": "mock", "error": "refused"}
    keep(
        folder,
        sample(0),
        sample(1, outputs={"other": other, "mock": other}),
        sample(2),
        sample(3, verdicts=[FLAG]),
        sample(4, reference="été"),
        sample(5, outputs={"mock": failed}),
    )
    assert list((await page(api, folder, **wanted)).places) == found


async def test_a_filter_goes_on_where_its_page_ended(api: httpx.AsyncClient, folder: Path) -> None:
    keep(folder, *(sample(number) for number in range(10)))
    first = await page(api, folder, metric="exact", at_least=1, limit=2)
    assert (first.places, first.next) == ((1, 3), 4)
    second = await page(api, folder, metric="exact", at_least=1, limit=5, start=first.next)
    assert (second.places, second.next) == ((5, 7, 9), None)


async def test_a_run_under_way_shows_its_whole_lines_and_more_later(
    api: httpx.AsyncClient, folder: Path
) -> None:
    keep(folder, sample(0), sample(1)[:-20], name="samples.jsonl.partial")
    first = await page(api, folder)
    assert ([each.id for each in first.samples], first.finished) == (["s0"], False)
    with (folder / "samples.jsonl.partial").open("r+b") as file:
        file.seek(len(sample(0)))
        file.write(sample(1) + sample(2))
    assert [each.id for each in (await page(api, folder)).samples] == ["s0", "s1", "s2"]
    (folder / "samples.jsonl.partial").rename(folder / "samples.jsonl")
    assert (await page(api, folder)).finished


async def test_an_attempt_that_begins_anew_is_read_anew(api: httpx.AsyncClient, folder: Path) -> None:
    keep(folder, *(sample(number) for number in range(5)), name="samples.jsonl.partial")
    await page(api, folder)
    keep(
        folder,
        *(sample(number, input="x" * number) for number in range(50, 60)),
        name="samples.jsonl.partial",
    )
    found = await page(api, folder)
    assert [each.id for each in found.samples] == [f"s{number}" for number in range(50, 60)]


async def test_a_file_that_was_replaced_is_read_anew(api: httpx.AsyncClient, folder: Path) -> None:
    keep(folder, *(sample(number) for number in range(5)))
    await page(api, folder)
    keep(folder, sample(8), sample(9), name="new")
    (folder / "new").rename(folder / "samples.jsonl")
    found = await page(api, folder)
    assert ([each.id for each in found.samples], found.total) == (["s8", "s9"], 2)


async def test_a_page_is_no_longer_than_the_settings_allow(tmp_path: Path) -> None:
    async with Daemon(tmp_path, limits={"max_page": 2}).serve() as daemon, daemon.client() as api:
        run = (await api.post(RUNS, json=experiment(tmp_path))).json()
        folder = daemon.run_folder(run["id"])
        keep(folder, *(sample(number) for number in range(5)))
        assert len((await page(api, folder, limit=5)).samples) == 2


async def test_a_run_without_samples_says_so(api: httpx.AsyncClient, folder: Path) -> None:
    answer = await api.get(f"{RUNS}/{folder.name}/samples")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "has no samples" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("metric=exact&at_most=abc", "score to: expected a number, got 'abc'"),
        ("metric=exact&at_least=nan", "score from: expected a number, got 'nan'"),
        ("metric=&at_least=1", "score from: expected the name of a score, too"),
        ("verdict=odd", "verdict: expected flagged, clean, error or doubtful, got 'odd'"),
    ],
)
async def test_a_filter_of_the_page_that_cannot_be_used_is_told_and_not_passed_over(
    api: httpx.AsyncClient, folder: Path, query: str, told: str
) -> None:
    keep(folder, sample(0))
    answer = await api.get(f"/view/runs/{folder.name}/samples?{query}")
    assert (answer.status_code, answer.json()["detail"]) == (422, told)
    empty = await api.get(f"/view/runs/{folder.name}/samples?text=&verdict=&metric=&at_least=&at_most=")
    assert (empty.status_code, "s0" in empty.text) == (200, True)  # a form sends what is left empty, too


async def test_a_link_in_place_of_the_samples_is_not_followed(
    api: httpx.AsyncClient, folder: Path, tmp_path: Path
) -> None:
    keep(tmp_path, sample(0))
    (folder / "samples.jsonl").symlink_to(tmp_path / "samples.jsonl")
    answer = await api.get(f"{RUNS}/{folder.name}/samples")
    assert answer.status_code == 404
    assert "question" not in answer.text
    (folder / "samples.jsonl").unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert (await api.get(f"{RUNS}/{folder.name}/samples")).status_code == 404


async def test_a_damaged_line_is_named(api: httpx.AsyncClient, folder: Path) -> None:
    keep(folder, sample(0), b'{"id": \n', sample(2))
    answer = await api.get(f"{RUNS}/{folder.name}/samples")
    assert answer.status_code == 422
    assert "samples.jsonl:2" in answer.json()["detail"]
    assert json.loads(answer.content)["title"] == "Unprocessable Entity"
