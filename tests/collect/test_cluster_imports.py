from __future__ import annotations

import subprocess
import sys


def test_who_only_wants_the_facts_loads_no_readers() -> None:
    """The facts of an incident come within half a second: what only a look inside needs must not be loaded for them."""
    program = (
        "import sys, unslow.collect.cluster, unslow.collect.cluster_look, unslow.collect.cluster_sections;"
        "print(*sorted({'wsproto', 'psycopg', 'redis', 'numpy', 'rich', 'jinja2', 'lightkube'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
