"""The clients of `docs/clients/`, which are no part of the application: loaded by their path, as by who copies them."""

import importlib
import shutil
import sys
from types import ModuleType
from typing import Final

from tests.bench.rig import CHECKOUT

FOLDER: Final = CHECKOUT / "docs" / "clients"
NODE: Final = shutil.which("node") or ""
NO_NODE: Final = "there is no node here (Debian: apt-get install nodejs)"


def client_module(name: str = "countinghouse") -> ModuleType:
    """Import a file of the folder."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)
