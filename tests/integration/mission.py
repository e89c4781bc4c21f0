"""The tiny experiment of the mission's integration test: four rows whose scores can be worked out by hand.

Each passage has four sentences, S0 to S3, and S2 is the gold evidence. The model (scripted) answers:

====  =============================================  ===========  ========  ========  ======
row   answer                                         sentence F1  relation  citation  schema
====  =============================================  ===========  ========  ========  ======
e1    S2, supports: the reference itself             1            1         1         1
e2    S2 and S0, both supports; gold: S2 supports    2/3          1         1         1
e3    S2 supports, but gold refutes; cites doc 99    1            0         0         1
e4    "I do not know."                               0            none      0         0
====  =============================================  ===========  ========  ========  ======

The baseline takes S0 and S1 of the right document: sentence F1 0, citation F1 1, schema 1 everywhere.
"""

from typing import Any

from crucible import BackendRef, DatasetRef, Experiment, OutputSpec, StageDef

STAGES = (
    "data_load",
    "data_checks",
    "guardrails",
    "backend_call",
    "analysis_surrogate_validation",
    "analysis_tda_validation",
    "analysis_metrics",
    "bench",
    "report",
)
GOLD = {"e1": "supports", "e2": "supports", "e3": "refutes", "e4": "supports"}


def sentence(row: str, number: int) -> str:
    topic = {"e1": "sleep", "e2": "tides", "e3": "moss", "e4": "chalk"}[row]
    return (
        f"Earlier work on {topic} was small.",
        f"We recorded {topic} for nine weeks.",
        f"The rate of {topic} changed by a third.",
        f"More funding for {topic} is welcome.",
    )[number]


def document(row: str) -> str:
    return {"e1": "11", "e2": "12", "e3": "13", "e4": "14"}[row]


def prompt(row: str) -> str:
    text = " ".join(sentence(row, number) for number in range(4))
    passage = f"Passage:\nDocument {document(row)}: Title {row}\n\n{text}"
    return f"Extract claims.\n\n{passage}\n\nTask:\n1. Restate.\n"


def answer(row: str, *evidence: tuple[int, str], cited: str | None = None) -> str:
    lines = [f"CLAIM[c1]: The rate of {row} changes."]
    for number, (index, label) in enumerate(evidence, start=2):
        lines.append(f"CLAIM[c{number}] (Document {cited or document(row)}): {sentence(row, index)}")
        lines.append(f"RELATION: c{number} {label} c1")
    return "\n".join(lines)


ANSWERS = {
    "e1": answer("e1", (2, "supports")),
    "e2": answer("e2", (2, "supports"), (0, "supports")),
    "e3": answer("e3", (2, "supports"), cited="99"),
    "e4": "I do not know.",
}


def rows() -> list[dict[str, Any]]:
    return [
        {
            "id": row,
            "prompt": prompt(row),
            "completion": answer(row, (2, label)),
            "metadata": {"doc_ids": [document(row)]},
        }
        for row, label in GOLD.items()
    ]


def experiment(**fields: Any) -> Experiment:
    options = {"bench": {"metrics": ["sentence_f1", "citation_f1", "schema_compliance"]}}
    replies = [{"example_id": row, "text": text} for row, text in ANSWERS.items()]
    made: dict[str, Any] = {
        "id": "mission",
        "seed": 5,
        "dataset": DatasetRef(name="four", provider="memory", split="all", options={"rows": rows()}),
        "backend": BackendRef(id="mock", options={"replies": replies}),
        "baselines": (BackendRef(id="lead"),),
        "pipeline": tuple(StageDef(name=name, options=options.get(name, {})) for name in STAGES),
        "outputs": (OutputSpec(formats=("markdown", "html", "json")),),
    }
    return Experiment(**{**made, **fields})
