"""Runs order alone: ``python -m svc.order``."""

import sys

from svc.kit.process import run

if __name__ == "__main__":
    sys.exit(run("order", ("order",)))
