# Two commands on a fresh machine (python3 >= 3.11 with pip, nothing else): `make train` and `make test`.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
ARGS ?=
JOBS ?= 2

.PHONY: train test lint format clean help
.DEFAULT_GOAL := help

help:
	@echo "make train   train on rendered faces, then compare with every baseline (ARGS='profile=tiny' for a quick look)"
	@echo "make test    linters, types, layering and the test suite (ARGS='-k flow' to choose)"
	@echo "make lint    linters, types and layering alone"

train: $(VENV)/.installed
	$(PY) -m faceimit.train experiment=keyframe_multitask $(ARGS)
	$(PY) -m faceimit.train experiment=keyframe_resnet50 $(ARGS)
	$(PY) -m faceimit.evaluate checkpoint=runs/keyframe_multitask/latest/checkpoints/best.ckpt \
		+others.resnet50_without_flow=runs/keyframe_resnet50/latest/checkpoints/best.ckpt

test: lint
	$(PY) -m pytest -n $(JOBS) -m "not slow" $(ARGS)

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports
	$(PY) -m mypy

format: $(VENV)/.installed-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "faceimit needs Python 3.11 or newer, $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(PY)
	@echo "installing faceimit into $(VENV) (some minutes the first time)"
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(PY)
	@echo "installing faceimit with its tests' needs into $(VENV) (some minutes the first time)"
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/.installed
