"""The runtime stands alone, its names are there, and its page tells the truth."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import crucible.actors.runtime as runtime

PACKAGE = Path(runtime.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "runtime.md"


def test_every_public_name_exists_and_is_listed_in_order() -> None:
    assert runtime.__all__ == sorted(runtime.__all__)
    assert all(hasattr(runtime, name) for name in runtime.__all__)


def test_the_runtime_imports_nothing_else_of_the_project() -> None:
    strays = [
        f"{path.name}: {ast.unparse(node)}"
        for path in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.ImportFrom)
            and (node.level > 1 or (node.module or "").startswith("crucible"))
        )
        or (isinstance(node, ast.Import) and any(alias.name.startswith("crucible") for alias in node.names))
    ]
    assert strays == []


def test_the_program_on_the_page_prints_what_the_page_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    output = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert program is not None
    assert output is not None
    result = subprocess.run(
        [sys.executable, "-c", program[1]], capture_output=True, text=True, timeout=50, check=False
    )
    assert result.stdout == output[1], result.stderr
