from datetime import UTC, datetime

import pytest

from crucible.actors.daemon.cron import next_time
from crucible.messages.errors import InputError


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_times_are_utc_and_later_than_the_one_given() -> None:
    assert next_time("0 3 * * *", at("2026-03-01T03:00:00")) == at("2026-03-02T03:00:00")
    assert next_time("*/15 * * * *", at("2026-03-01T03:01:30")) == at("2026-03-01T03:15:00")


def test_an_hour_that_summer_time_skips_elsewhere_is_there() -> None:
    assert next_time("30 2 29 3 *", at("2026-01-01T00:00:00")) == at("2026-03-29T02:30:00")


@pytest.mark.parametrize("expression", ["", "* * *", "61 * * * *", "at noon"])
def test_what_is_no_expression_is_refused_in_one_line(expression: str) -> None:
    with pytest.raises(InputError, match="expected five fields"):
        next_time(expression, 0.0)


def test_a_day_that_never_comes_is_refused() -> None:
    with pytest.raises(InputError, match="cron: '0 0 30 2 \\*'"):
        next_time("0 0 30 2 *", 0.0)
