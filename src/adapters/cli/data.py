"""``crucible data``: conversion, checks and profiles of data sets."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from ...actors.ports import Dataset
    from ..datasets.convert import ConversionReport

__all__ = ["check", "convert", "convert_pages", "profile"]

Flag = Parameter(negative="")
ENDINGS = {".csv": "csv", ".tsv": "csv"}
LONGEST_LINE = 110
CHUNK = 256


def convert(
    *,
    claims: Path,
    corpus: Path,
    output: Path,
    task: Literal["extract", "verify"] = "extract",
    source: str = "scifact",
    shuffle_sentences: int | None = None,
    force: Annotated[bool, Flag] = False,
) -> int:
    """Convert a claims file and its corpus in SciFact format into prompts and completions.

    Args:
        claims: Claims, one JSON object a line.
        corpus: Documents, one JSON object a line.
        output: JSON Lines file to write.
        task: extract asks for the claims of a passage; verify also states the hypothesis.
        source: Name of the data set; ids begin with it.
        shuffle_sentences: Seed of a random sentence order in each document; default: order as it is.
        force: Overwrite the output.
    """
    from ..datasets.convert import convert_scifact

    report = convert_scifact(
        claims,
        corpus,
        output,
        task=task,
        source=source,
        shuffle_sentences=shuffle_sentences,
        force=force,
    )
    _print_report(report)
    return 0


def convert_pages(
    *,
    claims: Path,
    wiki: Path | None = None,
    output: Path,
    task: Literal["extract", "verify", "label"] = "verify",
    source: str = "fever",
    force: Annotated[bool, Flag] = False,
) -> int:
    """Convert a claims file in FEVER format and its wiki pages into prompts and completions.

    Args:
        claims: Claims, one JSON object a line.
        wiki: Folder of wiki pages, one JSON object a line; not needed for the task label.
        output: JSON Lines file to write.
        task: verify states the claim, extract asks for it, label asks for the verdict without a passage.
        source: Name of the data set; ids begin with it.
        force: Overwrite the output.
    """
    from ...messages.errors import InputError
    from ..datasets.convert import convert_fever

    if wiki is None and task != "label":
        raise InputError(f"--wiki: the task {task} needs the folder of wiki pages; only label works without")
    _print_report(convert_fever(claims, wiki, output, task=task, source=source, force=force))
    return 0


def _print_report(report: ConversionReport) -> None:
    print(f"{report.output}: {report.rows} rows")
    for label, count in sorted(report.labels.items()):
        print(f"  {label}: {count}")
    for reason, count in sorted(report.left_out.items()):
        print(f"  left out, {reason}: {count}")
    if report.first_sentence_share is not None:
        print(f"  evidence that holds the first sentence: {report.first_sentence_share:.1%}")


def check(
    file: Path,
    /,
    *,
    input_key: str = "prompt",
    output_key: str = "completion",
    template: str | None = None,
    required: Annotated[tuple[str, ...], Parameter(negative="")] = ("input",),
    json: Annotated[bool, Flag] = False,
) -> int:
    """Check every row of a JSON Lines or CSV file; exit code 1 when a row fails.

    Args:
        file: Data set.
        input_key: Key of the prompt.
        output_key: Key of the gold output.
        template: Prompt template of the experiment, with {key} for values of a row.
        required: Fields that must be there and not empty; may be repeated.
        json: Print one JSON object.
    """
    import msgspec

    from ..expectations import DataCheckOptions, check_dataset

    dataset = _open(file, input_key, output_key, template)
    found = check_dataset(dataset, DataCheckOptions(required_fields=tuple(required)))
    unusable = dataset.bad_rows
    warning = _empty_answers(file, output_key, dataset)
    passed = found.passed and not unusable
    if json:
        _print_json(
            {
                **msgspec.structs.asdict(found),
                "passed": passed,
                "unusable_rows": list(unusable),
                "warning": warning,
            }
        )
    else:
        for bad in unusable:
            print(
                ": ".join(str(part) for part in (f"{bad.source}:{bad.line}", bad.field, bad.problem) if part)
            )
        for issue in found.issues:
            place = f"{issue.source}:{issue.line}" if issue.line else str(file)
            print(f"{place}: {issue.field}: {issue.problem}")
        if warning is not None:
            print(f"note: {warning}")
        bad_rows = dataset.facts.bad_rows + found.rows_with_issues
        print(f"{file}: {dataset.facts.rows} rows, {bad_rows} bad")
    dataset.close()
    return 0 if passed else 1


def profile(
    file: Path,
    /,
    *,
    input_key: str = "prompt",
    output_key: str = "completion",
    json: Annotated[bool, Flag] = False,
) -> int:
    """Say what is in a JSON Lines or CSV file: fields, lengths, duplicates, values.

    Args:
        file: Data set.
        input_key: Key of the prompt.
        output_key: Key of the gold output.
        json: Print one JSON object.
    """
    from ..expectations import profile_dataset

    dataset = _open(file, input_key, output_key)
    content = profile_dataset(dataset)
    if json:
        _print_json(content)
    else:
        print(f"{file}: {dataset.facts.rows} rows, {dataset.facts.bad_rows} bad")
        _print_tree(content, "  ")
    dataset.close()
    return 0


def _empty_answers(file: Path, output_key: str, dataset: Dataset) -> str | None:
    """One line when some rows have an empty gold output beside others that have one."""
    first, empty, answered = None, 0, 0
    for start in range(0, len(dataset), CHUNK):
        for row in dataset.read(start, start + CHUNK):
            if row.reference is not None and not row.reference.strip():
                first, empty = (row.line, 1) if first is None else (first, empty + 1)
            answered += bool(row.reference)
    if not empty or not answered:
        return None
    return (
        f"{file}:{first}: {output_key}: empty in {empty} of {len(dataset)} rows; "
        "only an empty answer is right there (null says that there is no gold output)"
    )


def _open(file: Path, input_key: str, output_key: str, template: str | None = None) -> Dataset:
    from ... import registry
    from ...messages.decoding import decode_struct
    from ...messages.experiment import DatasetRef

    name = file.name.removesuffix(".gz")
    provider = ENDINGS.get(Path(name).suffix, "jsonl")
    loader = registry.load("dataset provider", provider)
    options = {
        "path": str(file),
        "input_key": input_key,
        "output_key": output_key,
        "max_bad_rows": sys.maxsize >> 1,
        **({} if template is None else {"template": template}),
    }
    ref = DatasetRef(name=file.name, provider=provider)
    decoded = decode_struct(options, loader.Options)
    dataset: Dataset = loader().open(ref, decoded, seed=0, base=Path())
    return dataset


def _print_json(content: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _print_tree(content: dict[str, Any], indent: str) -> None:
    """A line for each key; a table of plain values that fits on the line of its key stands there."""
    for key, value in content.items():
        if value in (None, [], {}):
            continue
        line = f"{indent}{key}: {readable(value)}"
        nested = isinstance(value, dict) and any(isinstance(each, dict) for each in value.values())
        if isinstance(value, dict) and (nested or len(line) > LONGEST_LINE):
            print(f"{indent}{key}:")
            _print_tree(value, indent + "  ")
        else:
            print(line)


def readable(value: Any) -> str:
    """A value of a profile in words: numbers to four digits, lists with commas, no signs of Python."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        if value.keys() == {"value", "count"}:
            return f"{readable(value['value'])} ({value['count']})"
        return ", ".join(f"{key} {readable(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(readable, value))
    text = str(value)
    return text if text and text.isprintable() else json_text.dumps(text, ensure_ascii=False)
