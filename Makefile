# `make run` and `make test` are all a newcomer needs; `make` alone lists the rest.

PYTHON ?= python3
VENV = .venv/bin/python
# One more than two cores: some tests wait more than they compute.
PYTEST = $(VENV) -m pytest -n 3 --dist worksteal
POSTGRESQL_TESTS = $(wildcard tests/leads tests/webhooks tests/api tests/conformance)

.PHONY: help run test test-fast lint bench faults packages test-packages

help:
	@echo "make run        start everything on http://127.0.0.1:8000 (PORT=8001 make run: elsewhere); Ctrl-C ends it"
	@echo "make test       all checks and all tests, on SQLite; what meets a database also on a temporary PostgreSQL"
	@echo "make test-fast  the tests on SQLite, without browsers, real processes, provoked faults and the systems' checklists"
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

test: lint
	@$(VENV) -m tests.services find-redis
	@$(VENV) -m tests.services find-chromium
	@$(VENV) -m tests.services find-npm
	@$(VENV) -m tests.services find-php
# One more again: the first of them begins with the faults and mostly waits.
	$(PYTEST) -n 4
	$(VENV) -m tests.services with-postgresql $(PYTEST) -m "database and not browser and not faults and not sabotage" $(POSTGRESQL_TESTS)
	@$(VENV) -m tests.services report-chromium

test-fast: test-packages
	$(PYTEST) --hypothesis-profile=fast -m "not browser and not process and not faults and not conformance"

bench: test-packages
	@$(VENV) -m tests.services find-redis
	$(VENV) -m benchmarks $(if $(QUICK),--quick)

faults: test-packages
	@$(VENV) -m tests.services find-redis
	$(VENV) -m tests.faults
