"""Runs risk alone: ``python -m svc.risk``."""

import sys

from svc.kit.process import run

if __name__ == "__main__":
    sys.exit(run("risk", ("risk",)))
