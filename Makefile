# `make` alone lists the targets. Everything needs Go 1.26; images, up and the live tests need Docker.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

# A checkout without git, or with no tag yet, builds as well.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# The date of the commit, so that building the same thing again gives the same image.
CREATED := $(shell git log -1 --format=%cI 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The engine's socket on this host, and who may use it (STOKER_SOCKET, STOKER_UID, STOKER_GID), for the targets that run Compose.
ifneq (,$(filter up down logs demo-text demo-demand demo-demand-down,$(MAKECMDGOALS)))
$(foreach setting,$(shell compose/owner),$(eval export $(setting)))
endif
STOKER_PORT ?= 8080
export STOKER_PORT

# Docker Compose v2 if there is one, else docker-compose.
COMPOSE = $$(.ci/compose) -p stoker-demo -f compose/compose.yaml
WORKER ?= stoker-demo-a

.PHONY: help build root install-plugin images docs up down logs demo-text crash hang demo-demand demo-demand-images demo-demand-down test test-recreate test-trouble fuzz vuln e2e sim mutants soak bench lint processors release-check release-snapshot clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The certificate authorities for https targets of notifications. The file goes into the image.
CERTS ?= /etc/ssl/certs/ca-certificates.crt

build: dist/stoker dist/worker root ## both binaries into dist/, static

# What the images hold beside the binaries.
root:
	@for name in stoker worker; do install -d -m 1777 dist/root/$$name/var/lib/$$name; done
	@if [ -f $(CERTS) ]; then install -D -m 644 $(CERTS) dist/root/stoker/etc/ssl/certs/ca-certificates.crt; \
	else echo 'no $(CERTS) here: https targets of notifications will need SSL_CERT_FILE'; fi

# No server that Stoker calls needs HTTP/2, half a megabyte. Dockerfile.sidecar and .goreleaser.yaml build with the same flags, which a test
# compares. OUT names another file, as for another GOARCH.
dist/stoker: FORCE
	CGO_ENABLED=0 go build -tags nethttpomithttp2 -trimpath -ldflags '$(LDFLAGS)' -o $(or $(OUT),$@) ./sidecar

dist/worker: FORCE
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./workerimage

# The Docker CLI takes each docker-NAME of this folder for its command NAME.
install-plugin: dist/stoker ## docker stoker: the same binary as a plugin of the Docker CLI, for this user
	install -D -m 755 dist/stoker "$${DOCKER_CONFIG:-$$HOME/.docker}/cli-plugins/docker-stoker"
	@docker stoker version

images: build ## stoker:dev and stoker-worker:dev, from dist/, with no registry
	docker build -q -f Dockerfile.sidecar --target prebuilt $(STAMP) -t stoker:dev .
	docker build -q -f Dockerfile.worker --target prebuilt $(STAMP) -t stoker-worker:dev .

STAMP = --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg CREATED=$(CREATED)

docs: ## the site of the documentation into dist/site; needs Debian's mkdocs, mkdocs-material and graphviz
	.ci/docs

up: images ## build all, start the demo: Stoker and three workers
	@.ci/compose >/dev/null
	$(COMPOSE) up -d
	@echo
	@echo 'Running. Now try:'
	@echo '  make crash                      kill $(WORKER) from the host; it is back at once'
	@echo '  make hang                       make it hang idle; Stoker restarts it once it is unhealthy'
	@echo '  docker stop $(WORKER)       an operator'"'"'s stop: it stays down until docker start'
	@echo '  make logs                       the logs of Stoker and the workers'
	@echo '  curl http://127.0.0.1:$(STOKER_PORT)/api/v1/workers'
	@echo '  make down                       end the demo'
	@echo '(docker kill is an operator'"'"'s stop too. A crash from outside is: sudo kill -9 $$(docker inspect -f "{{.State.Pid}}" $(WORKER)))'

down: ## end the demo, with its volumes
	$(COMPOSE) down --volumes --remove-orphans

logs: ## follow the demo
	$(COMPOSE) logs --follow --tail 50

demo-text: images ## record a first minute on an engine without containers, rewrite the README's recording (root)
	.ci/demo

# DEMAND_BROKER=redis uses Redis. The image of the broker is made from Debian's packages the first time, which takes minutes, root and mmdebstrap.
DEMAND_BROKER ?= rabbitmq
export DEMAND_BROKER
demo-demand: demo-demand-images ## workers that sleep until a queue fills, and when it is empty again (DEMAND_BROKER=redis)
	.ci/demand run

demo-demand-images: images
	@.ci/demand images

demo-demand-down: ## end that demo, with its volumes
	.ci/demand down

# Killing needs root and an engine whose processes this host can see (not Docker Desktop). Otherwise the worker crashes itself.
crash: ## kill a worker from the host, as a crash does (WORKER=name)
	@pid=$$(docker inspect -f '{{.State.Pid}}' $(WORKER)); \
	if [ "$$pid" = 0 ]; then echo '$(WORKER) is down just now'; \
	elif kill -9 "$$pid" 2>/dev/null; then echo "killed process $$pid of $(WORKER)"; \
	else docker exec $(WORKER) /worker fault crash; fi
	@sleep 2; docker ps -a --filter name=$(WORKER) --format '{{.Names}}: {{.Status}}'; \
	[ "$$(docker inspect -f '{{.State.Status}}' $(WORKER))" = running ] || \
	echo 'Down. If it crashed before, Stoker waits 1 s, 2 s, 4 s … 1 min until it starts it; if you stopped it, for docker start.'

hang: ## make a worker hang idle (WORKER=name)
	@docker exec $(WORKER) /worker fault hang

# The race detector needs a C compiler; CI has one. The core starts no goroutines, so its tests run without.
PURE = ./sidecar/internal/core/... ./sidecar/internal/test/simulation
RACE = $(if $(filter true,$(CI)),$(shell command -v gcc >/dev/null && echo -race))

test: ## all tests; the live ones if an engine answers (STOKER_TEST_ENGINE or DOCKER_HOST may name it)
	@export DOCKER_HOST=$${STOKER_TEST_ENGINE:-$${DOCKER_HOST:-}}; [ -n "$$DOCKER_HOST" ] || unset DOCKER_HOST; \
	if engine=$$(docker version --format '{{.Server.Version}}' 2>/dev/null); then echo "engine $$engine answers: live tests run"; \
	else echo 'no Docker engine answers: the live tests are skipped, or fail if CI=true'; fi; \
	[ -n "$(RACE)" ] || exec go test -timeout 20m ./...; \
	go test -timeout 20m $(PURE); code=$$?; \
	CGO_ENABLED=1 go test $(RACE) -timeout 20m $$(go list ./... | grep -vE '/core/|/test/simulation$$') && exit $$code

# Each call of a recreate fails in each way. This takes minutes, and is part of CI.
test-recreate: ## every crash point of a recreate, on the fake engine and on the real one
	STOKER_TEST_RECREATE=1 go test -timeout 20m ./sidecar/internal/engine/docker/...

test-trouble: ## faults on the connection between Stoker and the engine at hand: minutes
	STOKER_TEST_TROUBLE=1 go test -timeout 20m ./sidecar/internal/app -run ProxyFaults -count 1

# A finding is an input in testdata/fuzz. Keep it: make test runs it from then on.
FUZZTIME ?= 1m
fuzz: ## every fuzz target there is, for a minute each (FUZZTIME=1m, FUZZ=FuzzMask picks one)
	@FUZZTIME=$(FUZZTIME) .ci/fuzz $(FUZZ)

vuln: ## known vulnerabilities in the code that is called, if the database can be reached
	.ci/vuln

# Engines in containers, and in machines with cgroup v2 (User Mode Linux), made from Debian's packages; needs root, and takes more than an hour.
# ENGINE=/path/to/dockerd tests only that one. WRITE=1 puts the figures into docs/reliability.md.
export ENGINE
e2e: ## the live tests on Docker 20.10 to 28.5, cgroups v1 and v2, rootless, Podman (E2E=rootless picks one; ENGINE=/path/to/dockerd)
	.ci/e2e/run $(if $(WRITE),--write) $(E2E)

# Each seed is half an hour of a virtual host under faults. Each run draws new seeds; a failure prints its seed. WRITE=1 puts the table
# of what happened into docs/reliability.md.
SEEDS ?= 5000
FIRST ?= 0
HOURS ?= 0.5
CORES ?= $(shell nproc 2>/dev/null || echo 1)
SIM_TABLE = $(CURDIR)/dist/simulation.md
sim: ## a long simulation over fresh seeds: SEEDS=5000 HOURS=0.5 CORES=2; FIRST=n begins at a seed, SEED=n prints one line by line
	@mkdir -p dist
	GOGC=600 go test ./sidecar/internal/test/simulation -run 'TestSim$$' -timeout 0 -v -args -hours=$(HOURS) \
	  $(if $(SEED),-seed=$(SEED) -trace,-first=$(FIRST) -seeds=$(SEEDS) -cores=$(CORES) -report=$(SIM_TABLE))
	$(if $(WRITE),.ci/e2e/fill docs/reliability.md simulation <$(SIM_TABLE))

# Each mutant is a deliberately broken Stoker; a test must fail. dist/survivors.txt lists the operators that no test detects.
# MUTANTS='-packages worker -only heal.go -skip-named' picks some and writes nothing into the documents.
mutants: ## replace each operator of core, break rules in named ways, and see which tests fail
	@mkdir -p dist
	go run ./sidecar/internal/test/mutationtest -survivors dist/survivors.txt $(if $(MUTANTS),$(MUTANTS),>dist/mutants.md && \
	.ci/e2e/fill docs/reliability.md mutants <dist/mutants.md)

# On an engine in a container, which is stopped and killed too; needs root and mmdebstrap. SOAK_ENGINE=here uses this machine's engine.
# SOAKFLAGS='-write docs/reliability.md' keeps the table.
SOAK ?= 10m
export SOAK SOAK_SEED SOAK_ENGINE
soak: build ## 100 workers under crashes, operators, engine and Stoker deaths (SOAK=10m, SOAK_SEED=n)
	.ci/soak $(SOAKFLAGS)

# Killing workers from the host needs root. BENCH='-only single,scale' picks cases and writes nothing.
BENCH ?= -write docs/performance.md
bench: images ## measure against a raw client, and with 10,000 workers; rewrite the table of docs/performance.md
	go run ./sidecar/internal/test/bench $(BENCH)

lint: ## golangci-lint; the first time it is built, which takes minutes
	go run $(GOLANGCI) run ./...

processors: ## Stoker for arm64 and 32-bit arm, emulated, heals a worker of the engine at hand (qemu-user-static)
	.ci/processors

release-check: ## whether GoReleaser understands .goreleaser.yaml; the first time it is built, which takes minutes
	.ci/release check

release-snapshot: ## all of a release but publishing and signatures: archives, packages, images, SBOMs in dist/release
	.ci/release snapshot

clean: ## remove what was built
	rm -rf dist coverage.out

FORCE:
