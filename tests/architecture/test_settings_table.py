"""The one table of the documentation has each setting that is read from the environment, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(
    r"""\b(?:env|environment|self)\.(?:text|required_text|flag|number|names|amounts|uuid|database|email|https_url|scanner_keys|networks|origins)"""
    r"""\(\s*"([A-Z_]+)\""""
)
ROW = re.compile(r"^\| `([A-Z_]+)`", re.MULTILINE)


def test_the_table_of_settings_is_complete() -> None:
    providers = sorted(ROOT.glob("billing/collection/gateways/*/settings.py"))
    own = (
        "config/settings.py",
        "config/environment.py",
        "config/operations/database_logins.py",
        "config/operations/lake_settings.py",
    )
    files = [*(ROOT / name for name in own), *providers]
    read = set(READ.findall("".join(path.read_text() for path in files))) | {
        "WEB_WORKERS",
        "DEMO",
    }  # which only `make run` reads
    documented = set(ROW.findall((ROOT / "docs/settings.md").read_text()))
    assert documented == read
