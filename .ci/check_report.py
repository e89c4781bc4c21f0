"""Check what a run of the main job left behind: called by .ci/run with the folder and the --json output."""

import json
import sys
from pathlib import Path

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


def main(folder: Path, result_file: Path) -> None:
    """Raise AssertionError at the first thing that is not as it should be."""
    result = json.loads(result_file.read_text())
    assert result["status"] == "completed", result
    run = folder / result["run_id"]
    report = json.loads((run / "report.json").read_text())
    stages = {stage["stage"]: stage["status"] for stage in report["stages"]}
    assert stages == dict.fromkeys(STAGES, "completed"), stages

    figures = {
        (f["name"], f.get("system")): f for stage in report["stages"] for f in stage.get("figures", ())
    }
    model = figures["sentence_f1", "extractive"]
    baseline = figures["sentence_f1", "lead"]
    assert 0 <= baseline["value"] < model["value"] <= 1, (baseline, model)
    assert model["interval"]["low"] <= model["value"] <= model["interval"]["high"], model

    bench = next(stage for stage in report["stages"] if stage["stage"] == "bench")
    compared = {comparison["metric"] for comparison in bench["comparisons"]}
    assert "sentence_f1" in compared, compared

    samples = (run / "samples.jsonl").read_text().splitlines()
    assert len(samples) == bench["received"], (len(samples), bench["received"])
    trace = json.loads((run / "trace.json").read_text())
    named = {event.get("name") for event in trace}
    assert set(STAGES) <= named, named
    html = (run / "report.html").read_text()
    assert "<svg" in html, "no plot in the report"
    assert (run / "report.md").read_text().startswith("# ")
    print(f"report of {result['run_id']}: 9 stages, {len(samples)} samples, sentence F1 {model['value']:.3f}")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    main(out, Path(sys.argv[2]) if len(sys.argv) > 2 else out / "result.json")
