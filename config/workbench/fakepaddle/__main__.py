"""`python -m config.workbench.fakepaddle`: the fake in its own process.

PADDLE_WEBHOOK_SECRET signs its webhooks; every user of a machine may read the arguments of a process.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from config.workbench.fakepaddle.server import FakePaddle


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m config.workbench.fakepaddle", description="A fake Paddle. No real money."
    )
    parser.add_argument("--port", type=int, default=12112)
    parser.add_argument("--webhook-url", help="the address that events are sent to")
    parser.add_argument("--state", type=Path, help="the file that stores the state")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        fake = FakePaddle(port=options.port, file=options.state, is_ticking=True)
    except OSError as error:
        sys.exit(f"fake paddle: port {options.port} cannot be used: {error.strerror}")
    if options.webhook_url:
        fake.deliveries.send_to(options.webhook_url, os.environ.get("PADDLE_WEBHOOK_SECRET", "").split(",")[0])
    sys.stdout.write(f"The fake Paddle is running at {fake.url}\n")
    sys.stdout.flush()
    try:
        fake.serve()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
