# `make demo` and `make test` set up what they need on a machine with make and pip or uv; a second run installs nothing.
# PYTHON=python3.13 takes that one, in a folder of its own; else it is what the machine has of 3.11, 3.13 and 3.12.
VENV := .venv$(if $(PYTHON),-$(patsubst python%,%,$(notdir $(PYTHON))))
RUN := $(VENV)/bin/python
READY := $(VENV)/.installed
RUNS := $(VENV)/.runs
SMOKE := $(VENV)-smoke
INPUTS := setup.py pyproject.toml constraints.txt requirements.lock scripts/environment.sh scripts/pip_settings.py

# uv leaves compiling to the first import, which is therefore made here, and stores what it compiles.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo bench test slow cases fuzz audit lock lint install smoke browser docs clean

$(READY): $(INPUTS)
	sh scripts/environment.sh $(VENV) '$(PYTHON)' -e '.[test]'
	$(RUN) -c 'import recbole.config, recbole.data, recbole.trainer, matplotlib.pyplot, optuna, pydantic'
	touch $(READY) $(RUNS)

# What a run needs, without the hundred packages of the tests, which bring it too.
$(RUNS): $(INPUTS)
	sh scripts/environment.sh $(VENV) '$(PYTHON)' -e .
	$(RUN) -c 'import recbole_kd.experiments.run, torch.utils.tensorboard, matplotlib.figure'
	touch $(RUNS)

install: $(READY)

demo: $(RUNS)
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
	$(VENV)/bin/lint-imports --no-cache
	$(MAKE) audit
	$(RUN) -m pytest -n logical --maxprocesses=4 --dist=loadfile

# What we write that could be misused, and known vulnerabilities of what is installed.
audit: $(READY)
	$(RUN) -m bandit --quiet --configfile pyproject.toml --recursive recbole_kd scripts benchmarks setup.py
	$(RUN) scripts/audit.py

# The hashes by which LOCKED=true make install installs, anew from setup.py and constraints.txt.
lock: $(READY)
	sh scripts/lock.sh $(RUN)

slow: $(READY)
	$(RUN) -m pytest -m slow

# What people meet at a shell, as small cases that lie beside the project and are no part of it.
CASES := ../shared/cases/run.py
cases: $(READY)
	@if [ -f $(CASES) ]; then $(RUN) $(CASES) --python $(RUN); else echo "no case is run: there is no $(CASES)"; fi

# What the documentation says of speed, in one table and benchmarks/results.json: make bench ONLY=ranking
bench: $(READY)
	$(RUN) benchmarks/run.py --only='$(ONLY)'

# Spoilt files and words through all doors, some thousand of them, with counts: make fuzz N=10000 SEED=1
INPUTS_OF_FUZZ := $(or $(N),10000)
fuzz: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m tests.fuzz --inputs $(INPUTS_OF_FUZZ) --seed $(or $(SEED),0)

# What a user does, in a folder of its own and without what the tests need: make smoke PYTHON=python3.12
smoke:
	sh scripts/environment.sh $(SMOKE) '$(PYTHON)' -e .
	mkdir $(SMOKE)/run
	cd $(SMOKE)/run && ../bin/recbole-kd train --model=RCEKD --teacher=LightGCN --student=BPR --dataset=ml-100k \
	  --epochs=2 --show_progress=false --state=warning
	cd $(SMOKE)/run && ../bin/recbole-kd recommend --checkpoint="$$(ls saved/*-BPR-student-*.pth)" --users=196 --topk=5

# The site, in site/, without a network and with warnings as errors.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

lint: $(READY)
	$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .

clean:
	rm -rf .venv .venv-* .tools build dist *.egg-info
