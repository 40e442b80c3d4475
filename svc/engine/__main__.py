"""Runs engine alone: ``python -m svc.engine``."""

import sys

from svc.kit.process import run

if __name__ == "__main__":
    sys.exit(run("engine", ("engine",)))
