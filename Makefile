# The commands for a person who works here. You need Node 20 or newer with npm: `npm ci` brings Node 24, which runs the TypeScript.
# The commands themselves are the scripts of package.json.
.DEFAULT_GOAL := help
RUN := @npm run --silent
INSTALLED := node_modules/.installed

.PHONY: help demo test test-unit test-repeat bench chaos servers check static lint format types dead-code coverage docs build image cluster-up \
	cluster-down cluster-test e2e kind-up kind-down clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Peer two nodes by files, and show that each message of one appears at the other once
	$(RUN) demo

.PHONY: demo-kubernetes
demo-kubernetes: $(INSTALLED) ## The same with kubectl and a Kubernetes API (the first time compiles it, 10 to 17 minutes)
	$(RUN) demo kubernetes

test: servers ## Run all tests on real servers (minutes)
	$(RUN) test

test-unit: $(INSTALLED) ## Run the tests that need no servers (seconds)
	$(RUN) test:unit

test-repeat: servers ## Run one test file many times: make test-repeat FILE=test/chaos/kill.test.ts TIMES=20
	$(RUN) test:repeat -- $(FILE) $(TIMES)

bench: servers ## Measure beside simple bridges, on a quiet machine (25 minutes); make bench WRITE=1 writes all of it to docs/; some parts: make bench PARTS="latency size"
	$(RUN) bench -- $(if $(WRITE),--write) $(PARTS)

chaos: servers ## Let a storm of faults loose on three sites, and count the messages: make chaos SEED=7 MINUTES=15
	$(RUN) chaos -- $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

servers: $(INSTALLED) ## Find all servers, or build them once in ~/.cache/lfh-sync (10 to 17 minutes)
	$(RUN) servers

check: static test-unit ## Check format, lint, widths, types, dead code and unit tests before a commit; it changes no file

static: $(INSTALLED)
	$(RUN) format:check
	$(RUN) lint
	$(RUN) lint:markdown
	$(RUN) lint:commits
	$(RUN) types
	$(RUN) dead-code

format: $(INSTALLED) ## Format all files
	$(RUN) format

lint: $(INSTALLED) ## Lint with type information, including which folder may import which
	$(RUN) lint

types: $(INSTALLED) ## Check the types
	$(RUN) types

dead-code: $(INSTALLED) ## Find code that is used nowhere, or only in tests
	$(RUN) dead-code

coverage: servers ## Run all tests and measure the coverage of the product (coverage/index.html)
	$(RUN) coverage

docs: $(INSTALLED) ## Generate the generated pages in docs/ and charts/ again
	$(RUN) docs

build: $(INSTALLED) ## Compile the product into dist/
	$(RUN) build

image: $(INSTALLED) ## Build the image of operator and sidecar, an OCI archive in dist/image/ (as root, with buildah)
	@command -v buildah >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends buildah; }
	$(RUN) image

cluster-up: $(INSTALLED) ## Start a cluster of one real node on this machine (Linux, as root; the first time takes minutes)
	$(RUN) cluster:up

cluster-down: $(INSTALLED) ## Stop that cluster, and remove everything that it used on this machine
	$(RUN) cluster:down

cluster-test: image ## Test that the cluster behaves like others (minutes)
	$(RUN) cluster:test

e2e: image ## Install, peer, disturb and uninstall hospitals in a cluster; no message may be lost (Linux, as root; minutes)
	$(RUN) e2e

kind-up: $(INSTALLED) ## Start a cluster with kind, where Docker is (Linux, as root)
	$(RUN) kind up

kind-down: $(INSTALLED) ## Stop the cluster of kind
	$(RUN) kind down

clean: ## Remove what was built in the tree; the cache of servers stays
	@rm -rf dist coverage node_modules

$(INSTALLED): package-lock.json $(wildcard patches/*)
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
