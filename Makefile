# `make demo` and `make test` set up what they need on a machine with Python 3.11 and make; a second run installs nothing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.installed

.PHONY: demo test slow lint install browser clean

$(READY): setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $(READY)

install: $(READY)

demo: $(READY)
	$(RUN) run_recbole_kd.py --model=PromptMM --dataset=ml-100k --baseline=true \
	  --result_file=demo/result.json --report_dir=demo

# The report's page is tested in a real browser; where there is none that test is skipped.
browser:
	@{ command -v chromium && command -v chromedriver; } >/dev/null || ! command -v apt-get >/dev/null || \
	  [ "$$(id -u)" != 0 ] || { export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -y -qq chromium chromium-driver; } >/dev/null 2>&1 || \
	  echo "chromium could not be installed: the test of the report's page in a browser is skipped"

test: $(READY) browser
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest

slow: $(READY)
	$(RUN) -m pytest -m slow

lint: $(READY)
	$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info
