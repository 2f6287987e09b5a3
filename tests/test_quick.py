from __future__ import annotations

import subprocess
import sys


def test_msgspec_is_loaded_without_typing_extensions_which_stays_usable() -> None:
    code = (
        "import sys, unslow.kube; print('msgspec' in sys.modules, 'typing_extensions' in sys.modules);"
        "import typing_extensions; print(typing_extensions.__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False", "typing_extensions"]
