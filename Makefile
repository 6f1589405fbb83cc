# What a person does here. Node 20 or newer with npm is enough: Node 24, which runs the TypeScript, comes with `npm ci`.
# The commands themselves are the scripts of package.json.
.DEFAULT_GOAL := help
RUN := @npm run --silent
INSTALLED := node_modules/.installed

.PHONY: help demo test test-unit test-repeat bench servers check static lint format types dead-code coverage docs build image cluster-up \
	cluster-down cluster-test e2e kind-up kind-down clean

help: ## List what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: servers ## Two nodes, peered with kubectl: what one takes in appears at the other, once
	$(RUN) demo

test: servers ## All tests, on real servers (minutes)
	$(RUN) test

test-unit: $(INSTALLED) ## The tests that need no servers (seconds)
	$(RUN) test:unit

test-repeat: servers ## Run one test file many times: make test-repeat FILE=test/chaos/kill.test.ts TIMES=20
	$(RUN) test:repeat -- $(FILE) $(TIMES)

bench: servers ## Throughput and latency, beside a naive bridge in the same run
	$(RUN) bench

servers: $(INSTALLED) ## Find or build all servers (once, in ~/.cache/lfh-sync; 10 to 17 minutes)
	$(RUN) servers

check: static test-unit ## Before a commit: format, lint, widths, types, dead code (changes nothing), unit tests

static: $(INSTALLED)
	$(RUN) format:check
	$(RUN) lint
	$(RUN) lint:markdown
	$(RUN) lint:commits
	$(RUN) types
	$(RUN) dead-code

format: $(INSTALLED) ## Format everything (check only looks)
	$(RUN) format

lint: $(INSTALLED) ## Lint with type information, the folder rules included
	$(RUN) lint

types: $(INSTALLED) ## Check the types
	$(RUN) types

dead-code: $(INSTALLED) ## Find what nobody uses, or nothing but tests
	$(RUN) dead-code

coverage: servers ## All tests, with the coverage of what ships (coverage/index.html)
	$(RUN) coverage

docs: $(INSTALLED) ## Write the generated pages in docs/
	$(RUN) docs

build: $(INSTALLED) ## Compile what ships into dist/
	$(RUN) build

image: $(INSTALLED) ## The image of operator and sidecar, an OCI archive in dist/image/ (as root, with buildah)
	@command -v buildah >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends buildah; }
	$(RUN) image

cluster-up: $(INSTALLED) ## Start a cluster of one real node on this machine (Linux, as root; the first time minutes more)
	$(RUN) cluster:up

cluster-down: $(INSTALLED) ## End it, and take away everything that it had of this machine
	$(RUN) cluster:down

cluster-test: image ## Show that the cluster, or kind's, is one like others (minutes)
	$(RUN) cluster:test

e2e: image ## Two hospitals in a cluster: installed, peered, disturbed and taken apart, no message lost (Linux, as root; minutes)
	$(RUN) e2e

kind-up: $(INSTALLED) ## As cluster-up, with kind, where Docker is (Linux, as root)
	$(RUN) kind up

kind-down: $(INSTALLED) ## As cluster-down, with kind
	$(RUN) kind down

clean: ## Remove what was made in the tree; the servers' cache stays
	@rm -rf dist coverage node_modules

$(INSTALLED): package-lock.json $(wildcard patches/*)
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
