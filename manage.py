#!/usr/bin/env python
"""Django's command line. In a clone in which `make run` ran, it works on what that runs.

The embedded database is started first if no other is named.
"""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from accounts.domain.reach import WayIn, let_process_reach
from config.startup import prepare
from config.workbench.embedded_postgres import EmbeddedPostgresError
from config.workbench.runner.clone import variables_missing
from config.workbench.runner.errors import RunnerError

COMMANDS_WITHOUT_DATABASE = frozenset(
    {"collectstatic", "spectacular", "help", "version", "compilemessages", "makemessages"}
)

HINT = " (This is the production profile. In a clone, `make run` once: from then on manage.py works on what it runs.)"


def main() -> None:
    """Run one command; a wrong setting is one sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        os.environ.update(variables_missing(os.environ))
        prepare(needs_database=len(sys.argv) > 1 and sys.argv[1] not in COMMANDS_WITHOUT_DATABASE)
        let_process_reach(WayIn.JOBS)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EmbeddedPostgresError, RunnerError) as error:
        hint = "" if os.environ.get("COUNTINGHOUSE_PROFILE") else HINT
        sys.exit(f"countinghouse: {error}{hint}")


if __name__ == "__main__":
    main()
