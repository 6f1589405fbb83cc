# Everything a person does here. Needs Node 20 or newer with npm; Node 24, which runs the TypeScript, comes with it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
NPX := npm exec --silent --
INSTALLED := node_modules/.installed

.PHONY: help demo test test-unit bench servers check lint format types dead-code coverage docs build clean

help: ## List what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

demo: servers ## Two nodes: a message taken in at one appears at the other, once
	@$(NPX) node demo/main.ts

test: servers ## All tests, on real servers (about 8 minutes)
	@$(NPX) mocha

test-unit: $(INSTALLED) ## Only the tests that need no servers (seconds)
	@$(NPX) mocha --no-config --extension ts --reporter ./test/reporter.cjs 'test/unit/**/*.test.ts'

bench: servers ## Throughput and latency, beside a naive bridge in the same run
	@$(NPX) node test/bench/main.ts

servers: $(INSTALLED) ## Find or build nats-server and Kafka (once; about 2 minutes)
	@$(NPX) node test/servers/build.ts

check: $(INSTALLED) ## Format, lint, types, dead code
	@$(NPX) biome check --error-on-warnings .
	@$(NPX) oxlint --type-aware --deny-warnings
	@$(NPX) tsc --noEmit
	@$(NPX) knip

lint: $(INSTALLED) ## Lint, the folder rules included
	@$(NPX) oxlint --type-aware --deny-warnings

format: $(INSTALLED) ## Format everything
	@$(NPX) biome check --write .

types: $(INSTALLED) ## Check the types
	@$(NPX) tsc --noEmit

dead-code: $(INSTALLED) ## Find what nobody uses
	@$(NPX) knip

coverage: servers ## All tests, with coverage
	@$(NPX) c8 mocha

docs: $(INSTALLED) ## Write the generated pages in docs/ anew
	@$(NPX) node docs/generate.ts

build: $(INSTALLED) ## Compile what ships into dist/
	@$(NPX) tsc -p tsconfig.build.json

clean: ## Remove what was built in the tree; the servers' cache stays
	@rm -rf dist coverage node_modules

$(INSTALLED): package.json package-lock.json $(wildcard patches/*)
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
