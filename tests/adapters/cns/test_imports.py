from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import crucible.adapters.cns, crucible.adapters.cns.metrics
from crucible.adapters import cns
names = {name.split('.')[0] for name in sys.modules}
for wrong in ('httpx', 'torch', 'tinker', 'scipy', 'sklearn', 'ripser', 'matplotlib', 'transformers'):
    assert wrong not in names, wrong
ours = {name for name in sys.modules if name.startswith('crucible.')}
allowed = ('crucible.messages', 'crucible.adapters.cns')
assert not [n for n in ours if n != 'crucible.adapters' and not n.startswith(allowed)], ours
"""


def test_the_package_pulls_in_neither_engine_nor_heavy_libraries() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60)
