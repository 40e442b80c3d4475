# `make up` starts everything, `make test` proves it. `make help` lists the rest.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done; \
	command -v $$name || echo python3)
VENV := .venv
BIN := $(VENV)/bin
CYTHON := $(shell find svc -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -path 'svc/*.h')
PROTOS := $(shell find protos -name '*.proto')
IMAGE := protos/image.binpb

export PATH := $(CURDIR)/$(BIN):$(PATH)

# uv installs the locked set in seconds; pip, which every Python has, is the way out where uv cannot reach the packages.
install = echo "installing $(1)"; $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) \
	|| { echo "uv could not install $(1), trying pip (about a minute)"; \
	$(BIN)/pip install --quiet --require-hashes -r $(1); }

# Names, versions and hashes, and nothing about where they come from.
lock = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-dev build up test soak lint type proto proto-image gen gen-check edge-check lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.runtime $(VENV)/.project build ## what `make up` needs: .venv, the locked packages, the engine compiled

setup-dev: $(VENV)/.dev $(VENV)/.project build ## the same and what tests, linters and generators need

build: $(VENV)/.extensions ## compile the Cython modules in place, if they changed

up: setup ## start everything on this machine; Ctrl-C stops it
	@$(BIN)/python -m compileall -q svc mesh gen
	@$(BIN)/mesh up

test: setup-dev ## every test; what this machine lacks is skipped with its reason
	$(BIN)/pytest

soak: setup-dev ## the full counts of the seeded tests: an hour or so; MESH_SOAK_SEED=n makes other ones
	$(BIN)/pytest -m soak

lint: setup-dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup-dev ## mypy, strict
	$(BIN)/mypy

proto: setup-dev ## contracts: lint, format, and no break against the committed image
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python -m mesh.generate breaking

proto-image: setup-dev ## at a release: what later contracts must stay compatible with
	$(BIN)/python -m mesh.generate image

gen: setup-dev ## write gen/ from protos/
	$(BIN)/python -m mesh.generate write

gen-check: setup-dev ## gen/ is exactly what protos/ say
	$(BIN)/python -m mesh.generate check

edge-check: setup-dev ## envoy/ is exactly what protos/ say, and Envoy takes it
	$(BIN)/mesh edge check

lock: $(VENV)/.made ## resolve pyproject.toml into the lock files; pins stay unless a file is deleted first
	[ -f requirements-bootstrap.lock ] || $(lock) --group bootstrap --output-file requirements-bootstrap.lock
	$(lock) pyproject.toml --output-file requirements.lock
	$(lock) pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean: ## forget .venv and everything compiled; .mesh/ (data) stays
	rm -rf $(VENV) build dist *.egg-info
	find svc -name '*.so' -delete

$(VENV)/.made: requirements-bootstrap.lock
	@$(PYTHON) -I mesh/preflight.py
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --only-binary :all: --no-deps --require-hashes -r $<
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock
	@$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements-dev.lock
	@$(call install,requirements-dev.lock)
	@touch $@

# The project is used where it stands: two import roots in a path file, relative so that the folder can be moved.
$(VENV)/.project: $(VENV)/.made
	@printf '../../../..\n../../../../gen\n' > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/quantamesh.pth
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m mesh "$$@"\n' > $(BIN)/mesh
	@chmod +x $(BIN)/mesh
	@touch $@

$(VENV)/.extensions: setup.py $(CYTHON) | $(VENV)/.made
	@[ -f $(VENV)/.runtime ] || [ -f $(VENV)/.dev ] || $(MAKE) --no-print-directory $(VENV)/.runtime
	@$(BIN)/python -I mesh/preflight.py
	@echo "compiling $(words $(filter %.pyx,$(CYTHON))) Cython modules"
	@log=$$(mktemp) && if $(BIN)/python setup.py --quiet build_ext --inplace --parallel 2 >$$log 2>&1; \
		then rm $$log; else cat $$log; rm $$log; exit 1; fi
	@touch $@
