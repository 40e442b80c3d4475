"""Runs one process of the topology's table: ``python -m svc core``."""

from __future__ import annotations

import argparse
import os
import sys

from svc.kit.process import MISCONFIGURED, run
from svc.kit.settings import SettingsError, load_markets
from svc.topology import processes


def main() -> int:
    """Reads the process's name from the command line and runs it; returns the exit status."""
    try:
        known = processes(load_markets(os.environ))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return MISCONFIGURED
    table = "\n".join(f"  {name}: {', '.join(services)}" for name, services in known.items())
    parser = argparse.ArgumentParser(
        prog="python -m svc",
        description="Runs one process of svc/topology.py.",
        epilog=f"processes and their services (MESH_MARKETS adds engines):\n{table}\n\n"
        "one service alone: python -m svc.order",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("process", choices=tuple(known))
    process: str = parser.parse_args().process
    return run(process, known[process])


if __name__ == "__main__":
    sys.exit(main())
