"""The thinking parts of the stages, without actors around them."""

import gc
import math
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.actors.corpus import Corpus
from crucible.actors.ports import Dataset, LearnsFromData, SurrogateAdapter, TdaAdapter
from crucible.actors.scores import Columns
from crucible.actors.stage import Work
from crucible.actors.stages.analysis_filter import AnalysisFilter, AnalysisFilterOptions, violated_bound
from crucible.actors.stages.analysis_metrics import MetricsAnalysis
from crucible.actors.stages.analysis_surrogate_validation import SurrogateValidation
from crucible.actors.stages.analysis_tda_validation import Reservoir, TdaValidation
from crucible.actors.stages.bench import Bench, BenchOptions
from crucible.actors.stages.data_checks import DataChecks
from crucible.actors.stages.guardrails import Guardrails
from crucible.actors.stages.report_picks import ExcerptPicker, ReportOptions
from crucible.adapters.analysis.cns_surrogates import CnsSurrogates, CnsSurrogatesOptions
from crucible.adapters.analysis.cns_tda import CnsTda, CnsTdaOptions
from crucible.adapters.analysis.none import NoMetrics, NoOptions, NoSurrogates, NoTda
from crucible.adapters.expectations import DataCheckOptions, ExpectationSuite
from crucible.adapters.guardrails import GuardOptions, RuleGuard
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.errors import DatasetError, OptionError
from crucible.messages.experiment import StatsConfig
from crucible.messages.findings import Issue, OutputScores, SurrogateScore
from crucible.messages.flow import Sample, StageResult
from crucible.messages.records import Example, Output


def sample(name: str, text: str = "hello", *, reference: str | None = "gold", **fields: Any) -> Sample:
    example = Example(id=name, input=text, reference=reference, source="f.jsonl", line=int(name[1:]))
    return Sample(example=example, **fields)


def output(name: str, text: str, system: str = "model") -> Output:
    return Output(example_id=name, system=system, backend="mock", text=text)


def claims(*texts: str) -> str:
    lines = ["CLAIM[c1]: Rain is wet."]
    for number, text in enumerate(texts, start=2):
        lines += [f"CLAIM[c{number}] (Document 1): {text}", f"RELATION: c{number} supports c1"]
    return "\n".join(lines)


class Claimed:
    """A data set whose references are the answers of some rows."""

    def __init__(self, rows: Sequence[Sample]) -> None:
        texts = [each.text for row in rows for each in row.outputs]
        self._examples = [Example(id=str(i), input="", reference=text) for i, text in enumerate(texts)]

    def __len__(self) -> int:
        return len(self._examples)

    def read(self, start: int, stop: int) -> list[Example]:
        return self._examples[start:stop]


A = TypeVar("A", bound=LearnsFromData)


def learned(adapter: A, rows: Sequence[Sample]) -> A:
    """The adapter after it has seen the words of the answers."""
    adapter.learn(Corpus(cast("Dataset", Claimed(rows))))
    return adapter


# data_checks


def checks(stored: list[Issue] | None = None, **options: Any) -> DataChecks:
    decoded = DataCheckOptions(required_fields=("input", "reference"), **options)
    return DataChecks(
        ExpectationSuite(decoded),
        max_violations=decoded.max_violations,
        fail_fast=decoded.fail_fast,
        quarantine=(list[Issue]() if stored is None else stored).extend,
    )


async def test_a_row_that_fails_is_set_aside_and_listed_with_file_and_line() -> None:
    work = checks(max_violations=1)
    passed = await work.process([sample("r1"), sample("r2", reference=None), sample("r3")])
    assert [s.example.id for s in passed] == ["r1", "r3"]
    result = await work.finish(())
    assert (result.metrics["total"], result.metrics["quarantined"]) == (3, 1)
    assert [(i.source, i.line, i.field) for i in result.issues] == [("f.jsonl", 2, "reference")]


async def test_every_issue_is_stored_at_once() -> None:
    stored: list[Issue] = []
    await checks(stored, max_violations=9).process([sample("r1"), sample("r2", reference=None)])
    assert [(issue.example_id, issue.line) for issue in stored] == [("r2", 2)]


async def test_that_a_row_is_set_aside_is_a_decision_with_its_reason() -> None:
    work = checks(max_violations=1)
    await work.process([sample("r1"), sample("r2", reference=None)])
    (decision,) = work.take_decisions()
    assert (decision.kind, decision.chosen, decision.subject) == ("data_check", "set aside", "r2")
    assert decision.why.startswith("reference: ")
    assert work.take_decisions() == ()


async def test_more_bad_rows_than_tolerated_are_an_input_error_with_the_first_place() -> None:
    work = checks()
    await work.process([sample("r1"), sample("r2", reference=None), sample("r3", reference=None)])
    with pytest.raises(DatasetError, match=r"^f\.jsonl:2: reference: .*2 rows fail data_checks, 0 tolerated"):
        await work.finish(())


async def test_fail_fast_does_not_wait_for_the_end() -> None:
    with pytest.raises(DatasetError, match=r"f\.jsonl:2"):
        await checks(fail_fast=True).process([sample("r1"), sample("r2", reference=None)])


# guardrails

PII = "Write to jo.doe@example.org about it."


async def test_inputs_get_a_verdict_and_are_redacted_with_their_reference() -> None:
    work = Guardrails(RuleGuard(GuardOptions(redact="placeholder")))
    (seen,) = await work.process([sample("r1", PII, reference=PII)])
    assert seen.verdicts[0].flagged
    assert "jo.doe@example.org" not in seen.example.input
    assert seen.example.reference is not None
    assert "jo.doe@example.org" not in seen.example.reference


async def test_all_right_answers_of_a_flagged_input_are_redacted() -> None:
    work = Guardrails(RuleGuard(GuardOptions(redact="placeholder")))
    flagged = sample("r1", PII)
    several = msgspec.structs.replace(flagged.example, alternatives=("fine", PII))
    (seen,) = await work.process([msgspec.structs.replace(flagged, example=several)])
    assert seen.example.alternatives[0] == "fine"
    assert "jo.doe@example.org" not in seen.example.alternatives[1]


async def test_a_clean_input_is_passed_on_untouched() -> None:
    work = Guardrails(RuleGuard(GuardOptions(redact="placeholder")))
    (seen,) = await work.process([sample("r1", "We measured 12 cells.")])
    assert (seen.example.input, seen.verdicts[0].flagged) == ("We measured 12 cells.", False)


async def test_fail_on_violation_names_file_line_and_category() -> None:
    work = Guardrails(RuleGuard(GuardOptions()), fail_on_violation=True)
    with pytest.raises(DatasetError, match=r"^f\.jsonl:2: input: guardrails found email"):
        await work.process([sample("r1", "fine"), sample("r2", PII)])


async def test_drop_flagged_takes_the_sample_out_and_counts_it() -> None:
    work = Guardrails(RuleGuard(GuardOptions()), drop_flagged=True)
    kept = await work.process([sample("r1", "fine"), sample("r2", PII)])
    result = await work.finish(())
    assert [s.example.id for s in kept] == ["r1"]
    assert (result.metrics["violations"], result.metrics["dropped"]) == (1, 1)


@pytest.mark.parametrize(("drop", "redact", "chosen"), [
    (True, True, "drop"), (False, True, "redact"), (False, False, "flag"),
])  # fmt: skip
async def test_what_becomes_of_a_flagged_text_is_a_decision_that_does_not_repeat_it(
    drop: bool, redact: bool, chosen: str
) -> None:
    work = Guardrails(RuleGuard(GuardOptions(redact="mask" if redact else "off")), drop_flagged=drop)
    await work.process([sample("r1", "fine"), sample("r2", PII)])
    (decision,) = work.take_decisions()
    assert (decision.chosen, decision.subject) == (chosen, "r2")
    assert chosen not in decision.alternatives
    assert "pass" in decision.alternatives
    assert decision.confidence is not None
    assert PII not in str(decision)


# analysis


def surrogate_stage(adapter: SurrogateAdapter) -> SurrogateValidation:
    return SurrogateValidation(adapter, PairedStatistics(), StatsConfig(), seed=0)


def tda_stage(adapter: TdaAdapter, **options: Any) -> TdaValidation:
    return TdaValidation(adapter, PairedStatistics(), StatsConfig(), **options)


async def test_surrogates_are_per_output_and_never_merged_over_examples() -> None:
    rows = [sample(f"r{i}", outputs=(output(f"r{i}", claims("A b c.", "D e f.")),)) for i in range(3)]
    work = surrogate_stage(learned(CnsSurrogates(CnsSurrogatesOptions()), rows))
    done = await work.process(rows)
    assert [s.surrogates[0].beta1_surrogate for s in done] == [0, 0, 0]
    assert (await work.finish(())).metrics["model"]["n_snos"] == 3


class Fussy(NoMetrics):
    """Has no score for the model's answers to r1."""

    def score(self, sample: Sample, output: Output) -> OutputScores | None:
        if (sample.example.id, output.system) == ("r1", "model"):
            return None
        return OutputScores(system=output.system, scores={"f1": float(sample.example.id[1:])})


async def test_scores_that_are_missing_leave_rows_and_groups_lined_up() -> None:
    work = MetricsAnalysis(Fussy(NoOptions()), PairedStatistics(), StatsConfig(), seed=0)
    rows = [answered(f"r{i}", "x", "y") for i in range(1, 5)]
    for row, group in zip(rows, "aabb", strict=True):
        row = msgspec.structs.replace(row, example=msgspec.structs.replace(row.example, group=group))
        await work.process([row])
    figures = {figure.system: figure for figure in (await work.finish(())).figures}
    assert (figures["model"].n, figures["model"].value) == (3, 3.0)
    assert (figures["base"].n, figures["base"].value) == (4, 2.5)


async def test_a_system_that_answers_late_is_undefined_before() -> None:
    work = MetricsAnalysis(Fussy(NoOptions()), PairedStatistics(), StatsConfig(), seed=0)
    rows = [
        sample(f"r{i}", outputs=tuple(output(f"r{i}", "x", s) for s in ("model", "late")[: 1 + (i > 2)]))
        for i in range(1, 6)
    ]
    for row, group in zip(rows, "aabbc", strict=True):
        row = msgspec.structs.replace(row, example=msgspec.structs.replace(row.example, group=group))
        await work.process([row])
    figures = {figure.system: figure for figure in (await work.finish(())).figures}
    assert (figures["late"].n, figures["late"].value) == (3, 4.0)
    interval = figures["late"].interval
    assert interval is not None
    assert interval.method.startswith("CR1 over 2 clusters")


async def test_means_of_surrogates_have_intervals_over_the_groups_of_the_data() -> None:
    rows = [
        sample(f"r{i}", outputs=(output(f"r{i}", claims(*(f"Word{i} {j}." for j in range(1 + i % 3)))),))
        for i in range(1, 13)
    ]
    rows = [
        msgspec.structs.replace(row, example=msgspec.structs.replace(row.example, group=f"g{i // 4}"))
        for i, row in enumerate(rows)
    ]
    work = surrogate_stage(learned(CnsSurrogates(CnsSurrogatesOptions()), rows))
    await work.process(rows)
    result = await work.finish(())
    described = {metric.name: metric for metric in result.described}
    assert {(metric.system, metric.n) for metric in described.values()} == {("model", 12)}
    fragility = described["fragility_mean"]
    assert fragility.value == pytest.approx(result.metrics["model"]["fragility_mean"])
    assert fragility.interval is not None
    assert fragility.interval.method.startswith("CR1 over 3 clusters, t(2)")
    assert fragility.method.startswith("2.5x/(2.5x + 1), cosine, lsa-")
    loops = described["beta1_high_fraction"].interval
    assert loops is not None
    assert loops.method.startswith("Wilson, effective n 3, 3 clusters")
    assert described["beta1_mean"].interval is None
    assert described["beta1_mean"].reason == "all 12 values are equal"


async def test_means_of_diagrams_have_intervals_and_counts_are_not_taken_for_rates() -> None:
    texts = [["Aa.", "Bb.", "Cc."], ["Aa."], ["Dd.", "Ee."], ["Ff.", "Gg.", "Hh."]]
    rows = [sample(f"r{i}", outputs=(output(f"r{i}", claims(*text)),)) for i, text in enumerate(texts)]
    work = tda_stage(learned(CnsTda(CnsTdaOptions()), rows))
    await work.process(rows)
    result = await work.finish(())
    described = {metric.name: metric for metric in result.described}
    pieces = described["beta0_mean"]
    assert (pieces.n, pieces.value) == (3, result.metrics["model"]["beta0_mean"])
    assert pieces.interval is not None
    assert pieces.interval.method.startswith("t(2)")
    assert pieces.interval.low >= 0.0
    loops = described["high_loop_fraction"].interval
    assert loops is not None
    assert loops.method == "Wilson"


async def test_surrogates_and_exact_figures_of_one_group_count_as_a_cluster() -> None:
    rows = [
        sample(
            f"r{i}",
            outputs=(
                output(f"r{i}", claims(*(f"Word{i} {'wxyz'[j % 4] * 5}{j}." for j in range(2 + i % 6)))),
            ),
        )
        for i in range(14)
    ]
    rows = [
        msgspec.structs.replace(row, example=msgspec.structs.replace(row.example, group=f"g{i // 2}"))
        for i, row in enumerate(rows)
    ]
    surrogates = surrogate_stage(learned(CnsSurrogates(CnsSurrogatesOptions()), rows))
    work = tda_stage(learned(CnsTda(CnsTdaOptions()), rows))
    await work.process(await surrogates.process(rows))
    result = await work.finish(())
    found = {(each.name, each.kind): each for each in result.correlations}
    fragility = found["fragility", "pearson"]
    assert (fragility.system, fragility.n, fragility.n_clusters) == ("model", 14, 7)
    assert fragility.p_method == "clustered t"
    assert fragility.interval is not None
    assert fragility.interval.low < (fragility.value or 0.0) < fragility.interval.high
    assert (found["beta1", "pearson"].value, found["beta1", "pearson"].status) == (None, "constant")
    told = result.metrics["model"]["surrogates_against_exact"]["fragility"]
    assert told["pearson_p"] == fragility.p_value


NO_OPS = (
    MetricsAnalysis(NoMetrics(NoOptions()), PairedStatistics(), StatsConfig(), seed=0),
    surrogate_stage(NoSurrogates(NoOptions())),
    tda_stage(NoTda(NoOptions())),
)


@pytest.mark.parametrize("work", NO_OPS, ids=lambda work: type(work).__name__)
async def test_a_no_op_adapter_says_skipped(work: Work) -> None:
    await work.process([sample("r1", outputs=(output("r1", claims("A b.")),))])
    result = await work.finish(())
    assert result.status == "skipped"
    assert result.reason is not None
    assert "no-op" in result.reason


async def test_an_output_with_too_few_claims_has_no_diagram_but_counts_in_the_whole_set() -> None:
    texts = ["Alpha beta gamma.", "Delta epsilon zeta.", "Eta theta iota.", "Kappa lambda mu."]
    rows = [sample(f"r{i}", outputs=(output(f"r{i}", claims(text)),)) for i, text in enumerate(texts)]
    work = tda_stage(learned(CnsTda(CnsTdaOptions()), rows), min_points=3)
    done = await work.process(rows)
    assert {s.persistence[0].status for s in done} == {"too_few_points"}
    (whole,) = (await work.finish(())).set_persistence
    assert (whole.status, whole.n_points) == ("ok", 8)


async def test_of_a_large_set_a_uniform_sample_is_taken_and_said() -> None:
    rows = [sample(f"r{i}", outputs=(output(f"r{i}", claims(f"Word{i} and more.")),)) for i in range(40)]
    work = tda_stage(learned(CnsTda(CnsTdaOptions()), rows), max_points=10, seed=4)
    await work.process(rows)
    (whole,) = (await work.finish(())).set_persistence
    assert whole.n_points == 10
    assert whole.notes.startswith("uniform sample of 10 of 80 claims, seed 4; ")
    assert whole.notes.endswith("repeated point(s) taken once")


class Broken(CnsTda):
    """An embedder that gives NaN for the last claim of one answer."""

    def embed(self, sample: Sample, output: Output) -> NDArray[np.float64]:
        points = super().embed(sample, output)
        if sample.example.id == "r1":
            points[-1] = math.nan
        return points


@pytest.mark.parametrize(("texts", "status"), [(("More.",), "too_few_points"), (("M.", "N."), "not_finite")])
async def test_an_embedding_that_is_not_finite_is_a_status_and_spares_the_whole_set(
    texts: tuple[str, ...], status: str
) -> None:
    rows = [sample(f"r{i}", outputs=(output(f"r{i}", claims(f"Word{i}.", "More.")),)) for i in (0, 2)]
    rows.insert(1, sample("r1", outputs=(output("r1", claims(*texts)),)))
    work = tda_stage(learned(Broken(CnsTdaOptions()), rows))
    done = await work.process(rows)
    assert [s.persistence[0].status for s in done] == ["ok", status, "ok"]
    result = await work.finish(())
    (whole,) = result.set_persistence
    assert whole.status == "ok"
    assert whole.notes.startswith("1 claim(s) left out: NaN or infinity")
    assert result.metrics["model"]["n_ok"] == 2


async def test_surrogates_of_an_earlier_stage_are_held_against_the_exact_figures() -> None:
    rows = [
        sample(
            f"r{i}",
            outputs=(output(f"r{i}", claims(*(f"Word{i} {'wxyz'[j % 4] * 5}{j}." for j in range(2 + i)))),),
        )
        for i in range(5)
    ]
    surrogates = surrogate_stage(learned(CnsSurrogates(CnsSurrogatesOptions()), rows))
    work = tda_stage(learned(CnsTda(CnsTdaOptions()), rows))
    await work.process(await surrogates.process(rows))
    found = (await work.finish(())).metrics["model"]["surrogates_against_exact"]
    assert (found["beta1"]["n"], found["beta1"]["status"], found["gate1"]["passes"]) == (5, "constant", None)
    assert (found["fragility"]["n"], found["fragility"]["p_method"]) == (5, "exact")
    alone = tda_stage(learned(CnsTda(CnsTdaOptions()), rows))
    await alone.process(rows)
    assert "surrogates_against_exact" not in (await alone.finish(())).metrics["model"]


async def test_the_shapes_of_two_systems_are_compared_when_asked_for() -> None:
    rows = [
        sample(
            f"r{i}", outputs=(output(f"r{i}", claims(f"Ab{i}.", f"Cd{i}.")), output(f"r{i}", text, "base"))
        )
        for i, text in enumerate(["CLAIM[c1]: One.", "CLAIM[c1]: Two.", "CLAIM[c1]: Three.", "nothing"])
    ]
    work = tda_stage(learned(CnsTda(CnsTdaOptions(compare_systems=True)), rows))
    await work.process(rows)
    metrics = (await work.finish(())).metrics
    found = metrics["model"]["distance_to"]["base"]
    assert found == metrics["base"]["distance_to"]["model"]
    assert found.keys() == {"bottleneck_0", "wasserstein_0", "bottleneck_1", "wasserstein_1"}
    assert 0.0 < found["bottleneck_0"] <= found["wasserstein_0"]
    silent = tda_stage(learned(CnsTda(CnsTdaOptions()), rows))
    await silent.process(rows)
    assert "distance_to" not in (await silent.finish(())).metrics["model"]


def test_shapes_that_cannot_be_compared_have_no_distance() -> None:
    adapter = CnsTda(CnsTdaOptions(compare_systems=True, metric="euclidean"))
    points = np.random.default_rng(0).normal(size=(6, 2))
    fine = adapter.persistence(points, system="a", sno_id="whole_set")
    none = adapter.persistence(np.ones((4, 2)), system="b", sno_id="whole_set")
    for other, expected in ((none, None), (fine, 0.0)):
        found = adapter.distances(fine, other)
        assert found is not None
        assert set(found.values()) == {expected}


def test_a_reservoir_is_uniform() -> None:
    counts = np.zeros(20)
    for seed in range(2000):
        reservoir = Reservoir(5, seed)
        reservoir.add(np.arange(20.0).reshape(20, 1))
        for point in reservoir.points:
            counts[int(point[0])] += 1
    # Expected 500 each, standard deviation 19.4: five of them are never reached by chance here.
    assert counts.min() > 400
    assert counts.max() < 600


def score(beta1: int = 0, fragility: float | None = 0.5) -> SurrogateScore:
    return SurrogateScore(
        system="model", sno_id="x", beta1_surrogate=beta1, cycle_count=0, fragility_score=fragility
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (score(5, 0.9), "max_beta1"),
        (score(0, 0.9), "min_beta1"),
        (score(2, 0.9), "max_fragility"),
        (score(2, 0.1), "min_fragility"),
        (score(2, 0.5), None),
        (score(2, None), None),
    ],
)
def test_the_first_violated_bound_wins(found: SurrogateScore, expected: str | None) -> None:
    options = AnalysisFilterOptions(max_beta1=3, min_beta1=1, max_fragility=0.8, min_fragility=0.2)
    assert violated_bound(found, options) == expected


async def test_the_filter_removes_or_flags() -> None:
    rows = [sample("r1", surrogates=(score(5),)), sample("r2", surrogates=(score(0),)), sample("r3")]
    remove = AnalysisFilter(AnalysisFilterOptions(max_beta1=3), model="model")
    assert [s.example.id for s in await remove.process(rows)] == ["r2", "r3"]
    metrics = (await remove.finish(())).metrics
    assert (metrics["filtered"], metrics["without_surrogates"]) == (1, 1)
    assert metrics["pass_rate"] == pytest.approx(2 / 3)
    flag = AnalysisFilter(AnalysisFilterOptions(max_beta1=3, mode="flag"), model="model")
    flagged = await flag.process(rows)
    assert [s.example.fields for s in flagged] == [{"filter_reason": "max_beta1"}, {}, {}]
    for work, chosen in ((remove, "remove"), (flag, "flag")):
        (decision,) = work.take_decisions()
        assert (decision.chosen, decision.subject) == (chosen, "r1")
        assert decision.why == "max_beta1 of model is violated"


# bench


def bench(**fields: Any) -> Bench:
    return Bench(
        PairedStatistics(),
        StatsConfig(iterations=100),
        BenchOptions(**fields),
        model="model",
        baselines=("base",),
        seed=1,
    )


def answered(name: str, model: str, base: str) -> Sample:
    return sample(name, outputs=(output(name, model), output(name, base, "base")))


async def test_the_interval_of_a_difference_of_scores_stays_between_minus_one_and_one() -> None:
    work = bench(metrics=("token_f1",))
    answers = [("gold", "wrong")] * 4 + [("gold leaf", "gold"), ("wrong", "wrong")]
    await work.process([answered(f"r{i}", mine, theirs) for i, (mine, theirs) in enumerate(answers)])
    (comparison,) = (await work.finish(())).comparisons
    assert comparison.interval is not None
    assert comparison.interval.high == 1.0
    assert comparison.interval.method.endswith("cut to [-1, 1]")


async def test_a_watched_comparison_is_told_while_the_run_goes_on() -> None:
    work = bench(watch=("exact_match", "exact_mach"))
    assert work.note() == ""
    for number in range(60):
        await work.process([answered(f"r{number}", "gold", "wrong")])
    assert work.note().startswith("exact_match against base: p ")
    assert work.note().endswith("(decided)")
    result = await work.finish(())
    assert [(each.metric, each.n) for each in result.watched] == [("exact_match", 60), ("exact_mach", 0)]
    assert result.reason == "no such metric: 'exact_mach'; did you mean 'exact_match'?"


def test_a_metric_without_bounds_cannot_be_watched() -> None:
    with pytest.raises(OptionError, match="chirality may lie outside"):
        Bench(
            PairedStatistics(),
            StatsConfig(),
            BenchOptions(watch=("chirality",)),
            model="model",
            baselines=("base",),
            seed=1,
            unbounded=frozenset({"chirality"}),
        )


async def test_counts_that_happen_to_be_0_or_1_are_not_compared_as_rates() -> None:
    methods = []
    for unbounded in (frozenset[str](), frozenset({"beta1"})):
        work = Bench(
            PairedStatistics(),
            StatsConfig(iterations=100),
            BenchOptions(metrics=("beta1",)),
            model="model",
            baselines=("base",),
            seed=1,
            unbounded=unbounded,
        )
        for number in range(6):
            scores = (
                OutputScores(system="model", scores={"beta1": float(number % 2)}),
                OutputScores(system="base", scores={"beta1": 0.0}),
            )
            row = msgspec.structs.replace(answered(f"r{number}", "x", "y"), scores=scores)
            await work.process([row])
        (found,) = (await work.finish(())).comparisons
        assert found.interval is not None
        methods.append(found.interval.method)
    assert methods == ["Newcombe, paired", "t(5)"]


async def test_exact_match_and_token_f1_are_in_the_samples() -> None:
    (seen,) = await bench().process([answered("r1", "gold", "wrong")])
    assert [(s.system, s.scores["exact_match"]) for s in seen.scores] == [("model", 1.0), ("base", 0.0)]


async def test_metrics_on_which_nothing_differs_are_compared_only_when_asked_for() -> None:
    work = bench()
    await work.process([answered(f"r{i}", "gold", "gold") for i in range(3)])
    assert (await work.finish(())).comparisons == ()


async def test_bench_has_data_without_any_analysis() -> None:
    work = bench()
    await work.process([answered(f"r{i}", "gold", "wrong") for i in range(6)])
    result = await work.finish(())
    compared = {c.metric: c for c in result.comparisons}
    assert compared["exact_match"].difference == 1.0
    assert {(f.name, f.system): f.value for f in result.figures}["exact_match", "model"] == 1.0


async def test_an_answer_that_failed_scores_like_an_empty_one() -> None:
    work = bench()
    failed = output("r1", "").__class__(
        example_id="r1", system="model", backend="mock", error="BackendError: no"
    )
    await work.process([sample("r1", outputs=(failed, output("r1", "gold", "base")))])
    result = await work.finish(())
    assert {(f.name, f.system): f.value for f in result.figures}["token_f1", "model"] == 0.0


async def test_a_metric_that_nobody_computed_is_named() -> None:
    work = bench(metrics=("exact_match", "sentnce_f1"))
    await work.process([answered("r1", "gold", "wrong"), answered("r2", "gold", "wrong")])
    result = await work.finish(())
    assert result.reason == "no such metric: 'sentnce_f1'"
    assert {c.metric for c in result.comparisons} == {"exact_match"}


async def test_a_bench_that_compared_none_of_the_named_metrics_has_failed() -> None:
    work = bench(metrics=("exact_mach", "sentnce_f1"))
    await work.process([answered("r1", "gold", "wrong")])
    result = await work.finish(())
    told = "no such metric: 'exact_mach'; did you mean 'exact_match'?; no such metric: 'sentnce_f1'"
    assert (result.status, result.reason) == ("failed", f"nothing was compared; {told}")
    assert result.figures


async def test_without_a_baseline_there_is_nothing_to_miss() -> None:
    options = BenchOptions(metrics=("sentence_f1",))
    work = Bench(PairedStatistics(), StatsConfig(), options, model="model", baselines=(), seed=1)
    await work.process([answered("r1", "gold", "wrong")])
    result = await work.finish(())
    assert (result.status, result.reason) == ("completed", None)


async def test_a_released_bench_holds_no_column() -> None:
    work = bench()
    await work.process([answered(f"e{number}", "gold", "x") for number in range(3)])
    await work.finish(())
    gc.collect()
    before = sum(isinstance(each, Columns) for each in gc.get_objects())
    work.release()
    gc.collect()
    assert before - sum(isinstance(each, Columns) for each in gc.get_objects()) == 2


async def three_systems() -> StageResult:
    work = Bench(
        PairedStatistics(),
        StatsConfig(iterations=100),
        BenchOptions(metrics=("exact_match", "token_f1")),
        model="model",
        baselines=("base", "other"),
        seed=1,
    )
    right = {"model": (0, 1, 2, 3, 4, 5, 6), "base": (5, 6, 7), "other": (0, 7, 8)}
    rows = [
        sample(
            f"r{i}",
            outputs=tuple(output(f"r{i}", "gold" if i in ok else "no", name) for name, ok in right.items()),
        )
        for i in range(12)
    ]
    await work.process(rows)
    return await work.finish(())


async def test_three_systems_are_ranked_on_what_was_compared() -> None:
    result = await three_systems()
    assert [ranking.metric for ranking in result.rankings] == ["exact_match", "token_f1"]
    assert result.rankings[0].systems[0].system == "model"
    assert result.rankings[0].n == 12


async def test_two_systems_need_no_ranking() -> None:
    work = bench()
    await work.process([answered(f"r{i}", "gold", "wrong") for i in range(6)])
    assert (await work.finish(())).rankings == ()


async def test_bench_says_what_hangs_on_the_correction() -> None:
    decided = (await three_systems()).metrics["decided_by_correction"]
    assert list(decided) == ["none", "bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"]
    assert decided["bonferroni"] <= decided["holm"] <= decided["none"]


async def test_without_outputs_bench_is_skipped() -> None:
    work = bench()
    await work.process([sample("r1")])
    assert (await work.finish(())).status == "skipped"


# report


def ranked(name: str, value: float | None) -> Sample:
    return sample(name, scores=(OutputScores(system="model", scores={"f1": value}),))


def picked(picker: ExcerptPicker, rows: Sequence[Sample]) -> list[tuple[str, str, float]]:
    for row in rows:
        picker.add(row)
    return [(e.rank, e.sample.example.id, e.score) for e in picker.excerpts()]


def test_the_worst_and_the_best_samples_are_shown_ties_by_order() -> None:
    picker = ExcerptPicker(ReportOptions(excerpts=2), "model", ("f1",))
    rows = [ranked("r1", 0.5), ranked("r2", 0.1), ranked("r3", 0.1), ranked("r4", 0.9), ranked("r5", None)]
    assert picked(picker, rows) == [
        ("worst", "r2", 0.1),
        ("worst", "r3", 0.1),
        ("best", "r4", 0.9),
        ("best", "r1", 0.5),
    ]


def test_a_sample_that_is_worst_and_best_is_shown_once() -> None:
    picker = ExcerptPicker(ReportOptions(excerpts=3), "model", ("f1",))
    assert picked(picker, [ranked("r1", 0.5)]) == [("worst", "r1", 0.5)]


def test_samples_are_ranked_by_one_score_only() -> None:
    picker = ExcerptPicker(ReportOptions(excerpts=3), "model", ("f1", "other"))
    other = sample("r0", scores=(OutputScores(system="model", scores={"f1": None, "other": 0.0}),))
    assert picked(picker, [other, ranked("r1", 0.5), ranked("r2", 0.7)]) == [
        ("worst", "r1", 0.5),
        ("worst", "r2", 0.7),
    ]


def test_the_worst_sample_has_the_highest_score_where_lower_is_better() -> None:
    picker = ExcerptPicker(ReportOptions(excerpts=1, rank_by="f1"), "model", (), {"f1": "lower"})
    rows = [ranked("r1", 0.5), ranked("r2", 0.1), ranked("r3", 0.9)]
    assert picked(picker, rows) == [("worst", "r3", 0.9), ("best", "r2", 0.1)]


async def test_fewer_hallucinated_citations_are_better() -> None:
    work = Bench(
        PairedStatistics(),
        StatsConfig(iterations=100),
        BenchOptions(metrics=("citation_hallucination_rate",)),
        model="model",
        baselines=("base",),
        seed=1,
        directions={"citation_hallucination_rate": "lower"},
    )
    rates = [("model", 0.0), ("base", 1.0)]
    scores = tuple(OutputScores(system=s, scores={"citation_hallucination_rate": v}) for s, v in rates)
    rows = [answered(f"r{i}", "x", "y") for i in range(12)]
    await work.process([Sample(example=r.example, outputs=r.outputs, scores=scores) for r in rows])
    (comparison,) = (await work.finish(())).comparisons
    assert (comparison.difference, comparison.verdict) == (-1.0, "better")


async def test_a_score_without_a_better_side_is_compared_only_when_asked_for() -> None:
    work = Bench(
        PairedStatistics(),
        StatsConfig(iterations=100),
        BenchOptions(),
        model="model",
        baselines=("base",),
        seed=1,
        directions={"exact_match": "none"},
    )
    await work.process([answered(f"r{i}", "gold", "wrong") for i in range(3)])
    assert {c.metric for c in (await work.finish(())).comparisons} == {"token_f1", "includes"}
