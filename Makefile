# make replicate   every plot of the slides: set-up included
# make test        the tests, in at most 15 minutes on two cores: set-up included
# make test-long   more of what they repeat, as many more kills: before a release
# make test-gpu    what a GPU computes, against the CPU: where there is one
# make fuzz        odd configurations, by the hundred
# make benchmark   measure speed and memory; SIZE=full at Broden's size, FOLDER=... for its data
# make format      format the sources
# make docs        write the tables of keys in config/README.md and of claims in README.md
# make lock        resolve requirements.in anew
# make clean       delete all that was computed, after a question

PYTHON ?= python3
SIZE ?= small
CORES ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count())")
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/requirements.lock
SNAKEFILES := Snakefile workflow/rules
# On systems that tell Python not to keep what it compiles, every job would compile its modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: replicate test test-long test-gpu fuzz benchmark check format docs lock environment clean

replicate: environment
	$(BIN)/snakemake --cores $(CORES)

# Files of tests side by side, in the order in which they are collected: long ones first.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: check
	$(PYTEST)

test-long: environment
	$(PYTEST) -m long

test-gpu: environment
	$(BIN)/pytest -m gpu

fuzz: environment
	$(BIN)/pytest -m long tests/workflow/test_odd_configurations.py

benchmark: environment
	$(BIN)/python benchmarks/run.py --size $(SIZE) --cores $(CORES) $(if $(FOLDER),--folder $(FOLDER))

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(BIN)/snakemake --lint

format: environment
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt $(SNAKEFILES)

# The environment holds a copy of the lock that it was made from; it is made anew when they differ.
environment:
	@cmp -s requirements.lock $(INSTALLED) || $(MAKE) --no-print-directory $(INSTALLED)-anew

$(INSTALLED)-anew:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name it with make PYTHON=python3.11')"
	@$(PYTHON) -c "import os, shlex, sys; sys.exit(shlex.quote(os.getcwd()) != os.getcwd() and 'Snakemake cannot start jobs from an environment in ' + os.getcwd() + ': the path has a space or a special character. Move this folder, or use conda (README)')"
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar off --no-compile -r requirements.lock
	$(BIN)/python -m compileall -q -j 0 -x '/(tests?|testing|sympy|_dynamo|_inductor)/' $(VENV)/lib
	cp requirements.lock $(INSTALLED)

docs: environment
	$(BIN)/python scripts/maintenance/document_config.py
	$(BIN)/python scripts/maintenance/document_claims.py

lock: environment
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header --upgrade --quiet requirements.in --output-file requirements.lock
	$(BIN)/python scripts/maintenance/write_environment.py

clean:
	@printf 'Delete all that was computed, trained networks too (results/*)? Type yes: '; \
	read answer && test "$$answer" = yes
	rm -rf results/* .snakemake
