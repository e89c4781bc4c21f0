import json
from pathlib import Path
from typing import Any

from crucible.actors.training_record import write_record
from crucible.adapters.http.dashboard.curves import CurveShelf, Standing, loss_points
from crucible.messages.flow import LossPoint
from crucible.messages.records import CheckpointRef
from crucible.messages.training import TrainingRecord


def line(score: float | None, **output: Any) -> str:
    return json.dumps({"outputs": {"m": output}, "scores": {"m": {"f1": score}}}) + "\n"


def standing(shelf: CurveShelf, folder: Path) -> Standing:
    found = shelf.look(folder, lambda each: each)
    assert found is not None
    return found


def test_a_running_mean_is_read_on_as_the_file_grows(tmp_path: Path) -> None:
    shelf, file = CurveShelf(), tmp_path / "samples.jsonl.partial"
    assert shelf.look(tmp_path, lambda each: each) is None
    file.write_text(line(1.0) + line(0.0) + line(1.0)[:10])
    assert standing(shelf, tmp_path).series("f1") == {"m": [(1.0, 1.0), (2.0, 0.5)]}
    file.write_text(line(1.0) + line(0.0) + line(1.0) + line(None))
    file.rename(tmp_path / "samples.jsonl")
    found = standing(shelf, tmp_path)
    assert found.rows == 4
    assert found.means["f1", "m"].n == 3
    assert found.series("f1")["m"][-1] == (4.0, 2 / 3)


def test_another_file_by_the_same_name_is_read_from_its_beginning(tmp_path: Path) -> None:
    shelf, file = CurveShelf(), tmp_path / "samples.jsonl.partial"
    file.write_text(line(1.0) * 5)
    assert standing(shelf, tmp_path).rows == 5
    other = tmp_path / "other"
    other.write_text(line(0.0))
    other.replace(file)
    assert standing(shelf, tmp_path).rows == 1


def test_a_long_run_has_as_many_points_as_a_chart_can_show(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text("".join(line(float(n % 2)) for n in range(3_000)))
    found = standing(CurveShelf(), tmp_path)
    points = found.series("f1")["m"]
    assert len(points) <= 257
    assert points[-1] == (3_000.0, 0.5)
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_races_and_votes_are_counted(tmp_path: Path) -> None:
    race = {"hedged": True, "winner": "hedge", "duplicates": 1, "cancelled": 1}
    ballots = {"status": "no_consensus", "agreement": 0.5}
    (tmp_path / "samples.jsonl").write_text(
        line(1.0, race=race)
        + line(1.0, race={"winner": "first"}, error="timed out")
        + line(1.0, ballots=ballots)
        + "not json\n"
    )
    found = standing(CurveShelf(), tmp_path)
    assert (found.raced, found.hedged, found.won_by_duplicate, found.duplicates, found.cancelled) == (
        2, 1, 1, 1, 1,
    )  # fmt: skip
    assert (found.votes, found.undecided, found.agreement.total, found.failed) == (1, 1, 0.5, 1)


def test_losses_are_those_of_the_last_checkpoint(tmp_path: Path) -> None:
    assert loss_points(tmp_path) == ()
    losses = (LossPoint(step=1, epoch=0.5, loss=0.7, split="train"),)
    checkpoint = CheckpointRef(name="epoch-1", uri="x", step=1)
    record = TrainingRecord(identity="i", steps=1, checkpoints=(checkpoint,), losses=losses)
    write_record(tmp_path / "checkpoints", record)
    assert loss_points(tmp_path) == losses
