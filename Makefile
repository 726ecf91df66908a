# The commands of Seedbed. `make demo` shows all of it; README.md explains each.
PYTHON ?= python3
VENV := .venv/bin
# Refuses at once where Seedbed runs already, before anything is prepared.
FREE := $(PYTHON) -m deploy.supervisor --free
SETUP := $(PYTHON) deploy/setup.py $(if $(GPU),--gpu)

.PHONY: help setup demo run test lint types format bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## prepare everything that running needs
	@$(SETUP)

demo: ## the whole path once, from a seed to a release, then the site stays up
	@$(FREE)
	@SEEDBED_DEMO=true $(SETUP)
	@SEEDBED_DEMO=true $(VENV)/python -m deploy.demonstration

run: ## the site, its workers and its Redis, until Ctrl-C
	@$(FREE)
	@$(SETUP)
	@$(VENV)/python -m deploy.supervisor

test: ## all tests; TESTS="..." are pytest's arguments for a part of them
	@$(SETUP) --development
ifdef TESTS
	@$(VENV)/python -m pytest -n 2 $(TESTS)
else
	@$(VENV)/python -m pytest -n 2 -m 'not vllm and not journey'
	@$(VENV)/python -m pytest -m 'vllm or journey'
endif

lint: ## style, types, templates, import rules
	@$(SETUP) --development --packages-only
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports
	@$(VENV)/djlint templates --lint --quiet

format: ## let the formatter have its way
	@$(VENV)/ruff check --fix . ; $(VENV)/ruff format .

bench: ## every benchmark, one JSON line each
	@$(SETUP) --development
	@status=0; for file in bench/*_*.py; do echo "# $$file"; $(VENV)/python $$file || status=1; done; exit $$status

clean: ## remove what a run made here (not .venv)
	rm -rf var
