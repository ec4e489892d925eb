"""`python -m config.workbench.receiver --port 12112 --demo-file .data/demo.json`."""

import argparse
from pathlib import Path

from config.workbench.receiver.server import serve


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--demo-file", type=Path, required=True, help="Has the secret of the demo's endpoint.")
    parser.add_argument("--api-url", default="", help="The address of Countinghouse, for the page /product.")
    options = parser.parse_args()
    serve(options.port, options.demo_file, options.api_url)


if __name__ == "__main__":
    main()
