# Everything sets itself up: a fresh machine needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test slow check format bench twin-table realmaster-tiny clean

demo: $(VENV)/.light ## lift the shipped episodes, score them, write the report
	$(BIN)/simlift demo --out demo-run

test: $(VENV)/.full ## the whole suite
	MUJOCO_GL=$${MUJOCO_GL-egl} $(BIN)/python -m pytest -n 2 --dist loadfile

slow: $(VENV)/.full ## the checks that take longer than the suite should
	MUJOCO_GL=$${MUJOCO_GL-egl} $(BIN)/python -m pytest -m slow --override-ini addopts="-q --strict-markers"

check: $(VENV)/.full ## style, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.full
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.light ## the performance tables
	$(BIN)/python bench/plain_speed.py
	$(BIN)/python bench/long_clip.py
	$(BIN)/python bench/stages.py
	$(BIN)/python bench/speed.py
	$(BIN)/python bench/datasets.py
	$(BIN)/python bench/variants.py

twin-table: $(VENV)/.light ## render and default engine against the shipped twins
	$(BIN)/python bench/twin.py --table

realmaster-tiny: $(VENV)/.full ## RealMaster on tiny models: pair, train, lift, score, report
	$(BIN)/python examples/realmaster/run_tiny.py

clean:
	rm -rf $(VENV) demo-run realmaster-tiny

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.light: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/.full: $(VENV)/.light
	$(PIP) install -c constraints.txt -e '.[dev,record,exr,pathtraced,estimate,realmaster,rerun]'
	touch $@
