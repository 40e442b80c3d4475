"""Runs metadata alone: ``python -m svc.metadata``."""

import sys

from svc.kit.process import run

if __name__ == "__main__":
    sys.exit(run("metadata", ("metadata",)))
