"""The file of rows that were set aside."""

import json
from pathlib import Path

from crucible.adapters.reports.quarantine import QuarantineFile
from crucible.messages.findings import Issue
from crucible.messages.records import BadRow


def test_there_is_no_file_without_a_bad_row(tmp_path: Path) -> None:
    QuarantineFile(tmp_path).add(())
    assert list(tmp_path.iterdir()) == []


def test_rows_that_do_not_load_and_rows_that_fail_stand_in_one_file(tmp_path: Path) -> None:
    file = QuarantineFile(tmp_path)
    file.add_bad_rows([BadRow(source="f.jsonl", line=3, field=None, problem="not JSON")])
    file.add([Issue(expectation="required", field="input", problem="is empty", source="f.jsonl", line=9)])
    lines = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert [(line["line"], line["problem"]) for line in lines] == [(3, "not JSON"), (9, "is empty")]
