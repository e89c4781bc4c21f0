"""A training job from objects to a stored checkpoint."""

from pathlib import Path
from typing import Any

import pytest

from crucible import BackendRef
from crucible.composition import prepare
from crucible.messages.claims import Sno
from crucible.messages.errors import InputError
from crucible.messages.experiment import DatasetRef
from crucible.training import (
    CheckpointNotFoundError,
    NoCheckpointError,
    TrainingOutcome,
    build_experiment,
    evaluate,
    load_checkpoint,
    prepare_dataset,
    prepare_source,
    save_checkpoint,
    train,
    training_report,
    warmup_steps,
)

SAMPLE = DatasetRef(
    name="sample",
    provider="jsonl",
    options={"path": "config/data/claims.jsonl", "group_by": "metadata.doc_ids"},
)
ROOT = Path(__file__).parents[2]


def objects(n: int = 10) -> list[Sno]:
    return [Sno(id=f"s{number}", claim=f"Claim {number}.") for number in range(n)]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> TrainingOutcome:
    data = prepare_source(SAMPLE, base=ROOT, split=(0.6, 0.1, 0.3), seed=17)
    job = build_experiment(
        data,
        target="proposer",
        backend="extractive",
        epochs=4,
        learning_rate=0.02,
        seed=17,
        baselines=(BackendRef(id="lead"),),
    )
    return train(job, out=tmp_path_factory.mktemp("runs"))


def test_warm_up_is_a_tenth_of_an_epoch() -> None:
    assert warmup_steps(404, 8) == 5
    assert warmup_steps(100_000, 8) == 100


@pytest.mark.parametrize(
    ("target", "modules"),
    [
        ("proposer", ["q_proj", "v_proj", "k_proj"]),
        ("antagonist", ["q_proj", "v_proj", "o_proj"]),
        ("synthesizer", ["q_proj", "v_proj", "k_proj", "o_proj"]),
    ],
)
def test_the_target_decides_the_modules_of_local_lora(target: Any, modules: list[str]) -> None:
    options = build_experiment(prepare_dataset(objects()), target=target, backend="local").backend.options
    assert options["target_modules"] == modules
    assert (options["lora_rank"], options["lora_alpha"], options["lora_dropout"]) == (16, 32, 0.1)
    assert (options["epochs"], options["batch_size"], options["learning_rate"]) == (3, 8, 2e-4)
    assert options["base_model"] == "meta-llama/Llama-3.2-1B"


def test_one_job_has_one_id_and_another_job_another() -> None:
    data = prepare_dataset(objects())
    one, again, other = (build_experiment(data, backend="mock", epochs=epochs) for epochs in (3, 3, 4))
    assert one.id == again.id
    assert one.id.startswith("cns_synthesizer_")
    assert one.id != other.id


def test_claims_are_analysed_as_claims_and_other_texts_are_not() -> None:
    claims = build_experiment(prepare_source(SAMPLE, base=ROOT), backend="extractive")
    texts = build_experiment(prepare_dataset(objects()), backend="mock")
    assert "analysis_metrics" in [stage.name for stage in claims.pipeline]
    assert [stage.name for stage in texts.pipeline][-3:] == ["backend_call", "bench", "report"]


def test_without_rows_to_measure_the_job_only_trains() -> None:
    job = build_experiment(prepare_dataset(objects(3), split=(1, 0, 0)), backend="mock")
    call = next(stage for stage in job.pipeline if stage.name == "backend_call")
    assert call.options["mode"] == "train"
    assert job.backend.options["keep"] == "last"


def test_without_a_training_row_there_is_no_job() -> None:
    with pytest.raises(InputError, match="no training row"):
        build_experiment(prepare_dataset([]))


def test_first_runs_keep_ensemble_and_hedging_off() -> None:
    job = build_experiment(prepare_source(SAMPLE, base=ROOT), backend="extractive")
    assert (job.reliability.ensemble.strategy, job.reliability.hedging.strategy) == ("none", "off")
    assert next(stage.name for stage in prepare(job).enabled()) == "data_load"


def test_a_job_trains_measures_and_beats_the_trivial_baseline(outcome: TrainingOutcome) -> None:
    found = evaluate(outcome)
    f1 = {each.system: each.value for each in found.figures if each.name == "sentence_f1"}
    assert found.split == "test"
    assert (f1["extractive"] or 0) > (f1["lead"] or 0)
    assert any(each.metric == "sentence_f1" for each in found.comparisons)
    assert (Path(outcome.folder) / "report.html").is_file()


def test_the_stored_checkpoint_is_the_one_that_was_sampled(outcome: TrainingOutcome, tmp_path: Path) -> None:
    path = save_checkpoint(outcome, tmp_path / "deep" / "model")
    saved = load_checkpoint(tmp_path / "deep" / "model")
    assert path.name == "model.meta.json"
    assert saved == load_checkpoint(path)
    assert (saved.experiment_id, saved.run_id) == (outcome.result.experiment.id, outcome.result.run_id)
    losses = [
        point.loss for point in outcome.result.stage("backend_call").losses if point.split == "validation"
    ]
    assert saved.checkpoint.loss == min(losses[1:])
    assert Path(saved.checkpoint.uri).exists()
    assert saved.metrics["sentence_f1"] is not None


def test_what_is_not_there_has_an_error_of_its_own(outcome: TrainingOutcome, tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"none\.meta\.json: no stored checkpoint"):
        load_checkpoint(tmp_path / "none")
    (tmp_path / "odd.meta.json").write_text("{}")
    with pytest.raises(InputError, match="is not a stored checkpoint"):
        load_checkpoint(tmp_path / "odd")
    untrained = TrainingOutcome(
        result=type(outcome.result)(
            run_id="r", status="completed", experiment=outcome.result.experiment, stages=()
        ),
        folder="",
        completed_at="",
    )
    with pytest.raises(NoCheckpointError):
        save_checkpoint(untrained, tmp_path / "x")
    assert "final training loss: not measured" in training_report(untrained)


def test_the_report_has_the_counts_the_losses_and_the_figures(outcome: TrainingOutcome) -> None:
    text = training_report(outcome)
    counts = outcome.result.experiment.metadata["counts"]
    assert f"  train: {counts['train']}" in text
    assert "lowest held-out loss: 0." in text
    assert "sentence_f1 of extractive: 0." in text
    assert "target: proposer" in text
