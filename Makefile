# `make run` and `make test` are all a newcomer needs; `make` alone lists the rest.

PYTHON ?= python3
VENV = .venv/bin/python
# One more than two cores: some tests wait more than they compute.
PYTEST = $(VENV) -m pytest -n 3 --dist worksteal
POSTGRESQL_TESTS = $(wildcard tests/leads tests/webhooks tests/api tests/conformance)
WITH_POSTGRESQL = $(VENV) -m tests.services with-postgresql $(PYTEST) $(POSTGRESQL_TESTS)
FIND = redis chromium npm php
# The tests are compiled once for all processes that read them, also where a shell forbids to keep what was compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-all test-fast find lint bench faults packages test-packages

help:
	@echo "make run        start everything on http://127.0.0.1:8000 (PORT=8001 make run: elsewhere); Ctrl-C ends it"
	@echo "make test       all checks and tests, on SQLite; what databases may answer differently also on a temporary PostgreSQL"
	@echo "make test-fast  two minutes: one case of each test on SQLite, without browsers, real processes and checklists"
	@echo "make test-all   half an hour: also whether the tests would notice, more examples, and PostgreSQL for everything"
	@echo "make lint       the checks alone: ruff, mypy, import contracts, Django's own, missing migrations"
	@echo "make faults     kill, starve and stop it in every way, for more than an hour; writes docs/faults.md"
	@echo "make bench      measure; the table is also written to build/bench.json (QUICK=1: the same, small)"

run: packages
	@$(VENV) -m leadcrm.run

packages:
	@$(PYTHON) leadcrm/bootstrap.py

test-packages:
	@$(PYTHON) leadcrm/bootstrap.py test

lint: test-packages
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	.venv/bin/lint-imports
	$(VENV) manage.py check --settings=tests.settings
	$(VENV) manage.py makemigrations --check --dry-run --settings=tests.settings

find: test-packages
	@for each in $(FIND); do $(VENV) -m tests.services find-$$each || exit; done

# What is marked sabotage breaks a dialect to see that the row named for it would notice: it judges the rows, and finds
# something new only when they change. What is ordinary is asked on SQLite alone: see tests/conftest.py.
test: lint find
# Two more again: two of them begin with the faults and mostly wait. On PostgreSQL one: it has more that waits.
	$(PYTEST) -n 5 -m "not sabotage and not rare"
	$(WITH_POSTGRESQL) -n 4 -m "database and not ordinary and not browser and not faults and not sabotage"
	@$(VENV) -m tests.services report-skipped

test-all: lint find
	$(PYTEST) -n 5 --hypothesis-profile=thorough
	$(WITH_POSTGRESQL) -m "database and not browser and not faults"
	@$(VENV) -m tests.services report-skipped

test-fast: test-packages
	$(PYTEST) --few --hypothesis-profile=fast -m "not browser and not process and not faults and not conformance and not slow"

bench: test-packages
	@$(VENV) -m tests.services find-redis
	$(VENV) -m benchmarks $(if $(QUICK),--quick)

faults: test-packages
	@$(VENV) -m tests.services find-redis
	$(VENV) -m tests.faults
