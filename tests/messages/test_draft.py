"""An experiment as far as it decodes: what is right stays, and what is broken is known."""

from __future__ import annotations

from typing import Any

from crucible.messages.draft import Broken, decode_draft
from crucible.messages.errors import Problem

GOOD: dict[str, Any] = {
    "id": "small",
    "seed": 3,
    "dataset": {"name": "d", "split": "all", "options": {"path": "x.jsonl"}},
    "backend": {"id": "mock"},
    "pipeline": [{"name": "data_load", "options": {"limit": 2}}, {"name": "report"}],
}


def test_what_decodes_is_a_draft_without_problems() -> None:
    draft = decode_draft(GOOD)
    assert (draft.problems, draft.broken, draft.experiment.seed) == ((), (), 3)


def test_a_broken_field_has_its_default_and_all_others_keep_their_values() -> None:
    draft = decode_draft(GOOD | {"seed": -1, "dataset": GOOD["dataset"] | {"split": "tset"}})
    assert [problem.path for problem in draft.problems] == ["seed", "dataset.split"]
    assert draft.broken == ("dataset.split", "seed")
    assert draft.experiment.seed == 0
    assert draft.experiment.dataset is not None
    assert (draft.experiment.dataset.name, draft.experiment.dataset.split) == ("d", "test")
    assert draft.experiment.dataset.options == {"path": "x.jsonl"}


def test_items_of_a_list_keep_their_places() -> None:
    draft = decode_draft(GOOD | {"pipeline": [3, {"name": "report", "enabled": "no"}, {"nme": "bench"}]})
    assert [stage.name for stage in draft.experiment.pipeline] == ["", "report", ""]
    assert draft.experiment.pipeline[1].enabled
    assert {"pipeline[0]", "pipeline[1].enabled", "pipeline[2].name"} <= set(draft.broken)


def test_what_is_no_list_or_is_missing_has_a_stand_in() -> None:
    draft = decode_draft({"pipeline": 3})
    assert draft.experiment.pipeline == ()
    assert (draft.experiment.id, draft.experiment.backend.id) == ("", "")
    assert set(draft.broken) >= {"id", "backend", "pipeline"}


def test_a_free_table_loses_only_the_value_that_is_no_plain_data() -> None:
    stage = {"name": "data_load", "options": {"limit": 2, "x": float("nan")}}
    draft = decode_draft(GOOD | {"pipeline": [stage]})
    assert draft.experiment.pipeline[0].options == {"limit": 2}
    assert draft.broken == ("pipeline[0].options.x",)


def test_one_wrong_item_spoils_a_list_of_plain_values() -> None:
    draft = decode_draft(GOOD | {"reliability": {"stats": {"tests": ["wilcoxon", "t"], "alpha": 0.01}}})
    stats = draft.experiment.reliability.stats
    assert (stats.tests, stats.alpha) == (("permutation", "bootstrap", "wilcoxon"), 0.01)
    assert "reliability.stats.tests" in draft.broken


def test_the_pools_that_are_right_stay() -> None:
    pools = {"a": {"requests_per_minute": 0}, "b": {"requests_per_minute": 5}}
    draft = decode_draft(GOOD | {"reliability": {"limits": {"pools": pools}}})
    made = draft.experiment.reliability.limits.pools
    assert (made["a"].requests_per_minute, made["b"].requests_per_minute) == (None, 5)


def test_a_slip_breaks_the_key_that_was_meant_and_a_foreign_key_breaks_none() -> None:
    slip = decode_draft(GOOD | {"sed": 1, "seed": 3, "datset": {}, "colour": "red"})
    without = {key: value for key, value in GOOD.items() if key != "dataset"}
    assert "dataset" in decode_draft(without | {"datset": {}}).broken
    assert "seed" not in slip.broken
    assert "dataset" not in slip.broken


def test_broken_spares_what_neither_is_nor_holds_nor_lies_in_anything_broken() -> None:
    broken = Broken(["a.b", "list[1]"])
    assert not broken.spares("a")
    assert not broken.spares("a.b")
    assert not broken.spares("a.b.c")
    assert not broken.spares("list[1].x")
    assert broken.spares("a.c", "ab", "list[0]", "list[10]")
    assert not broken.spares("a.c", "list")
    assert broken.covers("a.b.c")
    assert not broken.covers("a")


def test_problems_at_a_broken_place_are_follow_ups() -> None:
    kept = Problem("a", "of the whole")
    assert Broken(["a.b"]).without_follow_ups([Problem("a.b.c", "no"), kept, Problem("a.b", "no")]) == [kept]
