"""`python -m config.serving`: the web server."""

import argparse
import os
import resource

from config.serving.command import web_command


def main() -> None:
    """Replace this process with granian, with as many open files as this account may have."""
    parser = argparse.ArgumentParser(prog="python -m config.serving", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="The address to listen on.")
    parser.add_argument("--port", type=int, default=8000, help="The port to listen on.")
    parser.add_argument("--workers", type=int, default=1, help="Processes: about one a core.")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    command = web_command(host=options.host, port=options.port, workers=options.workers)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
