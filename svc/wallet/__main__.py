"""Runs the wallet alone: ``python -m svc.wallet``."""

import sys

from svc.kit.process import run

if __name__ == "__main__":
    sys.exit(run("wallet", ("wallet",)))
