"""Runs one process of the topology's table: ``python -m svc core``."""

from __future__ import annotations

import argparse
import sys

from svc.kit.process import run
from svc.topology import PROCESSES


def main() -> int:
    """Reads the process's name from the command line and runs it; returns the exit status."""
    table = "\n".join(f"  {name}: {', '.join(services)}" for name, services in PROCESSES.items())
    parser = argparse.ArgumentParser(
        prog="python -m svc",
        description="Runs one process of svc/topology.py.",
        epilog=f"processes and their services:\n{table}\n\none service alone: python -m svc.order",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("process", choices=tuple(PROCESSES))
    process: str = parser.parse_args().process
    return run(process, PROCESSES[process])


if __name__ == "__main__":
    sys.exit(main())
