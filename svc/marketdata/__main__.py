"""Runs marketdata alone: ``python -m svc.marketdata``."""

import sys

from svc.kit.process import run

if __name__ == "__main__":
    sys.exit(run("marketdata", ("marketdata",)))
