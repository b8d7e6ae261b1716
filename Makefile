# `make` builds the environment in .venv; see CONTRIBUTING.md. Nothing here needs an active environment.

PYTHON ?= python3
ARGS =

# Another project's environment may be active: it must not reach into this one.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX JUPYTER_PATH PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export JUPYTER_PREFER_ENV_PATH := 1

BIN := .venv/bin
# What figures, theorems and proofs need, without torch, which is larger than all of that; then everything.
LIGHT := .venv/.light
ALL := .venv/.all
# What changes the source for `make mutation`, which nothing else needs.
MUTATION := .venv/.mutation
# What is never imported need not be compiled, which takes a fifth of the space.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt

.DELETE_ON_ERROR:
.PHONY: all reproduce verify proofs coq test test-slow mutation check docs site wheel check-all clean help

all: $(ALL)
	@echo "The environment is in .venv. Next: make reproduce, make test or make help."

help:
	@echo "make             the environment, in .venv"
	@echo "make reproduce   figures, data and report; ARGS=\"--quick --out DIR --only NAME\""
	@echo "make verify      look for counterexamples to the theorems; ARGS=\"NAME --examples 100\""
	@echo "make proofs      check every step of the derivations of the theorems"
	@echo "make coq         have Coq check some of these derivations, where it is installed"
	@echo "make test        the tests and the examples in the docstrings and the README; ARGS goes to pytest"
	@echo "make test-slow   the tests that take minutes each: whole products of options"
	@echo "make mutation    change small things in the source and count what the tests notice, an hour or two"
	@echo "make check       formatting, lint, types"
	@echo "make docs        the documentation, docs/_build/html/index.html"
	@echo "make site        every page of it in Chromium, which must be installed: no errors, all links, mathematics, pictures"
	@echo "make check-all   all of these, and the built package in an environment of its own"
	@echo "make clean       remove all that make made, except results"

# No stamp is there while packages are installed: an interrupted installation is started again, in a fresh environment
# unless an older one was complete.
$(LIGHT): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { \
	    echo "make: $(PYTHON) not found; istsim needs Python 3.11 or newer (make PYTHON=/path/to/python3)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: istsim needs Python 3.11 or newer, but $(PYTHON) is $$("$(PYTHON)" --version 2>&1);" \
	         "name another one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: $(PYTHON) cannot make environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing istsim and what the figures need into .venv (a few minutes the first time) ..."
	@if [ -e $@ ] && $(BIN)/python -c "" 2>/dev/null; then rm -f $@ $(ALL); else "$(PYTHON)" -m venv --clear .venv; fi
	@$(PIP_INSTALL) --editable '.[reproduce]'
	@touch $@

$(ALL): $(LIGHT)
	@echo "Installing everything else, torch among it, into .venv (some minutes the first time) ..."
	@rm -f $(LIGHT) $@
	@$(PIP_INSTALL) --editable '.[all]'
	@touch $(LIGHT) $@

$(MUTATION): $(ALL)
	@$(PIP_INSTALL) --editable '.[mutation]'
	@touch $@

# Networks are trained in torch.
reproduce: $(if $(filter --networks --studies,$(ARGS)),$(ALL),$(LIGHT))
	@$(BIN)/istsim reproduce $(ARGS)

verify: $(LIGHT)
	@$(BIN)/istsim verify $(ARGS)

proofs: $(LIGHT)
	@$(BIN)/python -m istsim.derivations proofs docs/proofs

# Those whose rules the library in proofs/coq has.
COQ_PROOFS := expected_iterate theorem_1_iterates theorem_1_gradients sharper_theorem_2

coq: $(LIGHT)
	@$(BIN)/python -m istsim.derivations.coq proofs/coq $(COQ_PROOFS:%=proofs/%.py)

test: $(ALL)
	@$(BIN)/python -m pytest $(ARGS)

test-slow: $(ALL)
	@$(BIN)/python -m pytest -m slow $(ARGS)

mutation: $(MUTATION)
	@$(BIN)/python tests/mutation/score.py $(ARGS)

check: $(ALL)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

docs: $(ALL)
	$(BIN)/python -m sphinx -E -W --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

site: docs
	$(BIN)/python docs/check_site.py docs/_build/html

# Source distribution, the wheel made from it, and the wheel at work where nothing else of the clone is.
wheel: $(ALL)
	@set -eu; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(BIN)/python -m build --outdir "$$tmp/dist" . >"$$tmp/log" 2>&1 || { cat "$$tmp/log"; exit 1; }; \
	$(BIN)/python -m venv "$$tmp/venv"; \
	"$$tmp/venv/bin/python" -m pip install --quiet --constraint constraints.txt "$$(ls "$$tmp"/dist/*.whl)[cli]"; \
	cd "$$tmp"; venv/bin/python -c 'import istsim'; venv/bin/istsim --help >/dev/null; \
	echo "built, installed and imported: $$(cd dist && echo *)"

check-all: test test-slow check proofs verify site wheel

clean:
	rm -rf .venv build dist docs/_build docs/generated docs/notebooks docs/proofs .pytest_cache .ruff_cache .hypothesis
	rm -rf proofs/coq/generated proofs/coq/*.vo* proofs/coq/*.glob proofs/coq/.*.aux
	find istsim tests -name __pycache__ -type d -prune -exec rm -rf {} +
