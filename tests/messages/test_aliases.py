"""Older spellings."""

from __future__ import annotations

from typing import Any

import pytest

from crucible.messages.aliases import ALIASES, apply_aliases, canonical


def test_each_alias_of_the_table_is_replaced_at_its_place_only() -> None:
    for where, names in ALIASES.items():
        for old, new in names.items():
            old_data, new_data = nested(where, old), nested(where, new)
            assert apply_aliases(old_data) == new_data
            assert apply_aliases({"metadata": old_data}) == {"metadata": old_data}


def nested(where: str, value: str) -> Any:
    """The smallest document that has the value at a place of the table."""
    node: Any = value
    for step in reversed(where.replace("[]", ".[]").split(".")):
        node = ["other", node] if step == "[]" else {step: node}
    return node


def test_the_input_is_not_changed() -> None:
    data = {"backend": {"id": "tinkex"}, "pipeline": [{"name": "cns_filter"}]}
    apply_aliases(data)
    assert data == {"backend": {"id": "tinkex"}, "pipeline": [{"name": "cns_filter"}]}


@pytest.mark.parametrize("data", [3, None, [], {"backend": 3}, {"pipeline": {"name": 1}}, {"pipeline": [[]]}])
def test_data_of_another_shape_is_left_to_the_decoder(data: Any) -> None:
    assert apply_aliases(data) == data


def test_no_alias_leads_to_another_alias() -> None:
    for where, names in ALIASES.items():
        for new in names.values():
            assert canonical(where, new) == new


def test_canonical_knows_both_spellings() -> None:
    assert canonical("pipeline[].name", "cns_metrics") == "analysis_metrics"
    assert canonical("pipeline[].name", "analysis_metrics") == "analysis_metrics"
    assert canonical("nowhere", "cns_metrics") == "cns_metrics"
