# Everything a developer or operator runs. `make help` lists it.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up test demo bench quality quality-wild quality-docs mode-pictures legacy-sample pages lint lint-arrays lint-others lint-rest audit format lock install install-dev clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: install ## Serve the whole stack in the foreground (Ctrl-C stops it)
	@exec $(BIN)/darkroom up --demo-user

# Four processes more than there are cores, since tests wait much of their time; each has servers of its own. Tests that
# stand in a group, or in a file, share one, and the longest groups come first.
PROCESSES = $(shell $(BIN)/python -c "import os; print((os.cpu_count() or 1) + 4)")

test: install-dev ## Run the whole test suite on its own servers, or T=tests/service a part; THOROUGH=1 makes up much more
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --processes=$(PROCESSES) --durations=15 $(T)

demo: install ## One edit of each available mode from sample photos, into demo/
	$(BIN)/python samples/demo.py

bench: install-dev ## Measure speed, side by side with the limits (see docs/performance.md)
	$(BIN)/python -m tests.bench

quality: install-dev ## How good the edits are, in numbers and pictures, into quality/; PAIRS=dir judges your own (see docs/quality.md)
	$(BIN)/python -m tests.quality $(PAIRS)

quality-wild: install-dev ## The same on photos of strangers, gathered into quality/wild; WILD="--mode head_swap --part tuning" or "--part later"; MODEL_MATTE=x.onnx beside it
	$(BIN)/python -m tests.quality.wild $(WILD)

quality-docs: install-dev ## The same for the samples, into docs/quality, whose pictures the documents show
	$(BIN)/python -m tests.quality --out docs/quality

mode-pictures: install ## What /modes shows of modes and presets, into service/http/pictures; when edits or presets have changed
	$(BIN)/python samples/mode_pictures.py

N := 100000
SEED := 1
legacy-sample: install-dev ## Made-up data of the system before, N=100000 tasks; served until Ctrl-C, or written into REDIS=redis://...
	@$(if $(REDIS),$(BIN)/python -m tests.legacy.sample --redis-url $(REDIS),exec $(BIN)/python -m tests.legacy.serve_sample) --tasks $(N) --seed $(SEED)

# Types cost nearly all of it. What counts with arrays and what doesn't share next to nothing: two halves, at once; the quality
# tests stand with the latter, so that both take as long.
ARRAYS := actors/engines tests/actors/engines
OTHERS = $(filter-out $(addsuffix /%,$(ARRAYS)),$(shell find schema service actors client tests samples -name '*.py')) pip_to_uv.py

lint: install-dev ## Formatting, style, types, import rules, Dockerfile, YAML
	@$(MAKE) --no-print-directory --jobs=3 lint-arrays lint-others lint-rest

# Room for what is short-lived, and for what the checker remembers, spares it a third of its time; each takes up to 1.8 GB.
lint-arrays lint-others: export NODE_OPTIONS = --max-semi-space-size=256 --max-old-space-size=6000

lint-arrays:
	@$(BIN)/basedpyright $(ARRAYS)

lint-others:
	@$(BIN)/basedpyright $(OTHERS)

lint-rest:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --strict docker-compose.yml render.yaml
	@if docker compose version >/dev/null 2>&1; then SECRET_KEY=lint docker compose config --quiet; fi

# Not a part of lint: what is known of a package changes from one day to the next, and asking takes a public service.
audit: $(BIN)/uv ## Known vulnerabilities of the locked packages, from a public service (AUDIT="--service osv" asks another)
	$(BIN)/python -m tests.security.audit $(AUDIT)

format: install-dev ## Rewrite the code in the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

PAGES := service/http/pages

pages: install-dev ## Build the pages (needs npm): the API's types, then what is served and committed
	@cd $(PAGES) && npm ci --silent
	@$(BIN)/python -m service.http.openapi | npm --prefix $(PAGES) run --silent types -- src/shared/schema.ts
	@cd $(PAGES) && npm run --silent check && npm run --silent build

lock: $(BIN)/uv ## Lock the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

install: $(VENV)/.installed $(VENV)/.models
install-dev: $(VENV)/.installed-dev $(VENV)/.models

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Darkroom needs Python 3.11, 3.12 or 3.13; choose one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making $(VENV), and fetching uv, which installs: 25 MB to download"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# uv, with pip's index, certificates and proxy.
UV := VIRTUAL_ENV=$(VENV) $(BIN)/python pip_to_uv.py $(BIN)/uv

$(VENV)/.installed: requirements.lock pyproject.toml client/pyproject.toml | $(BIN)/uv
	@echo "Installing Darkroom's packages into $(VENV): 277 MB to download, 820 MB on disk"
	@$(UV) pip install --require-hashes -r requirements.lock
	@$(UV) pip install --no-deps --editable . --editable client
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing what the tests need as well: 700 MB on disk"
	@$(UV) pip install --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.models: actors/engines/local/models.json $(VENV)/.installed
	@echo "Fetching the models, once: 208 MB to download, 215 MB on disk"
	@$(BIN)/python -m actors.engines.local.models
	@touch $@

clean: ## Remove the environment and every cache (data in .darkroom stays)
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis demo
