import os

import pytest
from tests.support.daemon_simulation import live_through

SEEDS = int(os.environ.get("CRUCIBLE_SIMULATION_SEEDS", "500"))
CHUNK = 50


@pytest.mark.parametrize("seed", [832, 1401, 1647])
def test_a_lease_that_was_given_up_is_not_taken_for_a_claim_whose_answer_was_lost(seed: int) -> None:
    live_through(seed)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_a_promise(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            live_through(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
