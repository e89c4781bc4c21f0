"""A package of somebody else's: its stage, backend and loader are found by entry points and run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"

REST = '''
import hashlib
from pathlib import Path
from typing import Any, ClassVar

from crucible.actors.ports import Capabilities
from crucible.adapters.backends.untrained import UntrainedSession
from crucible.messages.records import Completion, Example
from crucible.messages.report import DatasetFacts
from crucible.messages.requests import BackendReply


class EchoSampler:
    async def sample(self, request):
        return BackendReply(completions=(Completion(text=request.prompt.text),))


class EchoBackend:
    Options: ClassVar[type[msgspec.Struct]] = ShoutOptions
    capabilities = Capabilities(trainable=False, summary="Says what it is told.")

    async def open(self, options, *, seed, workdir):
        return UntrainedSession("echo", EchoSampler())


class Count:
    """The data set of the first n numbers."""

    bad_rows = ()

    def __init__(self, n):
        self._n = n

    @property
    def facts(self):
        digest = hashlib.sha256(str(self._n).encode()).hexdigest()
        return DatasetFacts(
            name="count", provider="count", sha256=digest, rows=self._n, bad_rows=0, splits={"all": self._n}
        )

    def __len__(self):
        return self._n

    def read(self, start, stop):
        return [Example(id=str(i), input=f"row {i}", reference=f"ROW {i}") for i in range(start, stop)]

    def close(self):
        pass


class CountOptions(Message, frozen=True):
    n: int = 3


def first_letter(answer):
    return answer[:1]


def loudest(votes):
    return {vote.key: max(each.text.count("!") for each in votes if each.key == vote.key) for vote in votes}


class CountLoader:
    Options = CountOptions

    def open(self, ref, options, *, seed, base):
        return Count(options.n)
'''

ENTRY_POINTS = """
[crucible.stages]
shout = my_package:SHOUT
[crucible.backends]
echo = my_package:EchoBackend
broken = my_package:Nothing
[crucible.datasets]
count = my_package:CountLoader
[crucible.normalizers]
initial = my_package:first_letter
[crucible.voting]
loudest = my_package:loudest
"""

VOTE = """
[reliability.ensemble]
strategy = "custom"
normalizer = "initial"
options = { function = "loudest" }
[[reliability.ensemble.members]]
id = "mock"
name = "calm"
options = { default = "yes" }
[[reliability.ensemble.members]]
id = "mock"
name = "loud"
options = { default = "no!!" }
[[reliability.ensemble.members]]
id = "mock"
name = "meek"
options = { default = "yea" }
"""

EXPERIMENT = """
id = "plugged"
[dataset]
name = "numbers"
provider = "count"
split = "all"
options = { n = 5 }
[backend]
id = "echo"
[[pipeline]]
name = "data_load"
[[pipeline]]
name = "shout"
[[pipeline]]
name = "backend_call"
[[pipeline]]
name = "bench"
[[pipeline]]
name = "report"
[[outputs]]
formats = ["json"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a package and its metadata, as an installer leaves them."""
    code = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "my_package.py").write_text("\n".join(code) + REST)
    metadata = tmp_path / "my_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "plugged.toml").write_text(EXPERIMENT)
    return tmp_path


def crucible(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from crucible.adapters.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site, check=False)


def test_the_parts_of_a_plug_in_run_like_built_in_ones(site: Path) -> None:
    done = crucible(site, "run", "plugged.toml", "--out", "runs", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    exact = next(f for f in result["figures"] if (f["name"], f["system"]) == ("exact_match", "echo"))
    assert (exact["value"], exact["n"]) == (1.0, 5)
    lines = (site / "runs" / result["run_id"] / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["input"] for line in lines] == [f"ROW {i}" for i in range(5)]


def test_the_parts_of_a_plug_in_are_listed(site: Path) -> None:
    assert "Upper-cases inputs." in crucible(site, "stages").stdout


def test_a_plug_in_that_cannot_be_imported_is_one_line(site: Path) -> None:
    path = site / "plugged.toml"
    path.write_text(EXPERIMENT.replace('id = "echo"', 'id = "broken"'))
    done = crucible(site, "run", "plugged.toml", "--out", "runs")
    assert done.returncode == 2
    assert "backend.id: backend 'broken' of a plug-in cannot be imported" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plug_in_may_bring_a_voting_function_and_a_normalizer(site: Path) -> None:
    (site / "plugged.toml").write_text(EXPERIMENT + VOTE)
    done = crucible(site, "run", "plugged.toml", "--out", "runs", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    (samples,) = (site / "runs").rglob("samples.jsonl")
    output = json.loads(samples.read_text().splitlines()[0])["outputs"]["echo"]
    assert (output["text"], output["ballots"]["scores"]) == ("no!!", {"y": 0.0, "n": 2.0})
