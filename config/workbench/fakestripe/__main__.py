"""`python -m config.workbench.fakestripe`: the fake in its own process.

STRIPE_WEBHOOK_SECRET signs its webhooks; every user of a machine may read the arguments of a process.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from config.workbench.fakestripe.server import FakeStripe


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m config.workbench.fakestripe", description="A fake Stripe. No real money."
    )
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--webhook-url", help="the address that events are sent to")
    parser.add_argument("--state", type=Path, help="the file that stores the state")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        fake = FakeStripe(port=options.port, file=options.state, is_ticking=True)
    except OSError as error:
        sys.exit(f"fake stripe: port {options.port} cannot be used: {error.strerror}")
    if options.webhook_url:
        fake.deliveries.send_to(options.webhook_url, os.environ.get("STRIPE_WEBHOOK_SECRET", ""))
    sys.stdout.write(f"The fake Stripe is running at {fake.url}\n")
    sys.stdout.flush()
    try:
        fake.serve()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
