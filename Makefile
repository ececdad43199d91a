# gridwatch's few commands. `make` lists them; each sets up what it needs first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Cargo's own variable, so that a shared or faster folder can be used.
target_dir := $(or $(CARGO_TARGET_DIR),target)
cargo := cargo
setup := deploy/setup.sh
# Integration tests run servers and streams of their own: on a large machine more than eight at once gain nothing.
test_threads ?= $(shell n=$$(nproc); echo $$(( n > 8 ? 8 : n )))
# Where the recordings and photographs of scenes are; what is not there is skipped.
media ?= $${GRIDWATCH_DEPS:-.deps}/clips ../shared/data/media ../shared/data
# What `make demo`, `make bench` and `make backtest` pass on, as in: make demo args="--once"
args ?=

.PHONY: help setup build demo test chaos bench backtest train-test fmt lint deny ci clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and running need (deploy/setup.sh --help tells more)
	@$(setup)

build: setup ## the program, optimised: target/release/gridwatch
	$(cargo) build --release --locked

demo: build ## cameras, detection, tickets and evidence on this machine, shown at a local address
	@exec $(target_dir)/release/gridwatch demo $(args)

test: ## all tests, against real servers
	@$(setup) --test
	$(cargo) test --workspace --locked -- --test-threads=$(test_threads)

chaos: ## 200 kills of the program and 50 of database and broker each, while tickets open (about half an hour)
	@$(setup) --test
	GRIDWATCH_CHAOS=full $(cargo) test --locked --test it -- chaos --nocapture

bench: ## what looks, idle cameras, fleets, storms, sensors and the change gate cost (args=fleet, args="look idle", ...)
	@$(setup) --bench
	$(cargo) bench --locked -p gridwatch -p alerts --bench '*' -- $(args)

backtest: build ## scenes with known truth through the whole pipeline: a table, and target/backtest/index.html
	@exec $(target_dir)/release/gridwatch --log warn backtest tests/scenes --html $(target_dir)/backtest \
		$(foreach folder,$(media),--media $(folder)) $(args)

train-test: ## the training kit from labels to a model (fetches about 1 GB of Python packages, no part of CI)
	@test -x $(target_dir)/training-venv/bin/python || python3 -m venv $(target_dir)/training-venv
	$(target_dir)/training-venv/bin/pip install --quiet --require-hashes -r models/training/requirements.txt
	$(target_dir)/training-venv/bin/python models/training/smoke_test.py

fmt: ## format the sources
	$(cargo) fmt --all

lint: setup ## formatting and clippy, as CI holds them
	$(cargo) fmt --all --check
	$(cargo) clippy --workspace --all-targets --locked -- -D warnings

deny: ## licences, bans and sources of the dependencies
	@$(setup) --ci
	@PATH="$${GRIDWATCH_DEPS:-.deps}/cargo/bin:$$PATH" cargo-deny --locked check licenses bans sources

ci: ## all that CI runs
	@.ci/run

clean: ## remove what was built (not what set-up fetched: that is .deps)
	$(cargo) clean
