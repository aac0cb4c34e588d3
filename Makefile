# 驿票 Yipiao. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
GO ?= go
BIN := bin
VAR ?= var
FUZZTIME ?= 2m
PKGS := ./...
# Where several things happen at once; a codec, and a driver that only uses what is tested here, is not.
RACE := ./edge/... ./sync/... ./drivers/bus/... ./drivers/port/... ./drivers/internal/... ./drivers/lotgate ./drivers/escpos \
	./drivers/ssi ./drivers/sdt ./firmware-sim/board ./firmware-sim/bench ./firmware-sim/control ./firmware-sim/tape ./firmware-sim/handheld
export CGO_ENABLED ?= 1

.PHONY: help run clean-data build test unit race race-full e2e crash sim sim-mutants hil lint lint-full fuzz soak soak-journal bench bench-peers bench-devices model deps deps-test tidy shots

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: deps build ## run the whole system on loopback with simulated devices and sample data
	@exec $(BIN)/yipiao run --dir $(VAR)

clean-data: ## throw away the data of `make run`
	@if [ -e $(VAR)/run.lock ] && ! flock -n $(VAR)/run.lock true; then echo "先停止 make run (stop it first)"; exit 1; fi
	rm -rf $(VAR)/cloud $(VAR)/station $(VAR)/sim $(VAR)/demo $(VAR)/dev $(VAR)/log $(VAR)/run.lock

build: deps ## build stationd, cloudd, yipiao and firmware-sim into bin/
	@mkdir -p $(BIN)
	@tty=; [ -t 1 ] && tty=1; $(GO) build -v -trimpath -o $(BIN)/ ./cmd/stationd ./cmd/cloudd ./cmd/firmware-sim ./cmd/yipiao 2>&1 | awk -v tty=$$tty \
		'function say(t) { if (tty) printf "\r%s …   ", t; else if ((n + d) % 50 == 0) print t; fflush() } \
		 /^go: downloading/ { d++; say("下载 " d " 个模块 (modules)"); next } \
		 /^[a-zA-Z0-9._~\/-]+$$/ { n++; say("编译 " n " 个包 (packages)"); next } \
		 { print } END { if (n + d) print (tty ? "\n" : "") "编译完成 (built): " n }'

deps: ## install what building needs (as root; otherwise print the command)
	@./.ci/deps build

deps-test: ## install what the tests need (as root; otherwise print the command)
	@./.ci/deps build test

test: deps-test build lint unit race e2e crash sim sim-mutants ## everything: linters, unit tests, race detector, end to end, simulation

unit: ## unit tests, shuffled
	$(GO) test -count=1 -shuffle=on -timeout 5m $$($(GO) list $(PKGS) | grep -v /cmd/apptest)

race: ## the race detector where several things happen at once
	$(GO) test -count=1 -race -short -timeout 5m $$($(GO) list $(RACE) | grep -v -e /drivers/face -e /internal/printing -e /internal/maint)

race-full: ## the race detector over everything (10 minutes)
	$(GO) test -count=1 -race -timeout 20m $(PKGS)

e2e: build ## end-to-end tests with the real binaries, and the kill loop
	YIPIAO_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 5m -v ./cmd/apptest

crash: ## kill -9, power loss, clocks, truncations and flipped bytes under load (ROUNDS=60, SEED=n)
	@YIPIAO_CRASH_ROUNDS=$${ROUNDS:-60} YIPIAO_CRASH_SEED=$${SEED:-} $(GO) test -count=1 -v -timeout 60m -run '^TestCrash$$' ./edge 2>&1 | awk \
		'/^(=== |--- PASS|PASS$$|ok )|TLS handshake/ { next } /^crash: / { last = $$0; next } { print; fflush() } END { if (last) print last }'

SIM_memory := ./sync/simtest
SIM_ledger := ./edge/internal/ledger
SIM_cloud := ./cloud/internal/custody
SIM_SHOW := awk '/^ *(=== |--- PASS)|^(PASS$$|ok )/ { next } /^sim[a-z-]*: / { last = $$0; next } { print; fflush() } END { if (last) print last }'

sim: ## hub and stations in virtual time with seeded faults for 75 s (SEED=n, SEEDS=100000, FOR=75s, ON=memory|ledger|cloud)
	@YIPIAO_SIM_SEED=$${SEED:-} YIPIAO_SIM_SEEDS=$${SEEDS:-} YIPIAO_SIM_FOR=$${FOR:-75s} GOGC=400 $(GO) test -count=1 -v -timeout 48h \
		-run '^TestSim$$' $(SIM_$(or $(ON),memory)) 2>&1 | $(SIM_SHOW)

sim-mutants: ## plant each of the known mistakes in turn: the simulation must find every one (MUTANTS="name …", ON=memory|ledger)
	@YIPIAO_MUTANTS="$${MUTANTS:-}" GOGC=400 $(GO) test -count=1 -v -timeout 20m -tags mutants -run '^TestMutants$$' $(SIM_$(or $(ON),memory)) 2>&1 | $(SIM_SHOW)

hil: ## ports and drivers over the kernel's own USB stack, in QEMU (under a minute)
	@./.ci/deps build hil
	@GO=$(GO) VAR=$(VAR) ./.ci/hil

lint: ## gofmt, vet, staticcheck, and the rules of the architecture
	@fmt=$$(gofmt -l cmd edge cloud sync drivers firmware-sim); if [ -n "$$fmt" ]; then echo "gofmt: $$fmt"; exit 1; fi
	$(GO) vet $(PKGS)
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 $(PKGS)
	$(GO) test -count=1 ./cmd/internal/archtest

lint-full: ## golangci-lint with .golangci.yml (building it takes a few minutes once)
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

fuzz: ## every fuzz test for 2 minutes (FUZZTIME=2m)
	@for p in $$(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$p/*_test.go | sed 's/func //'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

soak: ## half an hour of everything at once, watching memory, descriptors and disk (FOR=30m)
	YIPIAO_SOAK=$${FOR:-30m} $(GO) test -count=1 -v -timeout 26h -run '^TestSoak$$' ./edge

soak-journal: ## the journal's crash loop for many seeds (SEEDS=600)
	YIPIAO_JOURNAL_SOAK=$${SEEDS:-600} $(GO) test -count=1 -timeout 60m -run TestSoak ./sync/journal/seglog

bench: build ## measure the station (5 minutes); a table, and JSON lines in var/bench/station.jsonl
	$(BIN)/yipiao bench --dir $(VAR) --out $(VAR)/bench/station.jsonl

bench-devices: build ## 16 lanes on paced lines, 10,000 plug cycles, a million frames of garbage (4 minutes); var/bench/devices.jsonl
	@mkdir -p $(VAR)/bench
	$(BIN)/yipiao bench --dir $(VAR) --only devices --out $(VAR)/bench/devices.jsonl
	YIPIAO_ENDURANCE=$(abspath $(VAR))/bench/devices.jsonl $(GO) test -count=1 -v -timeout 20m -run 'PlugCycles|Garbage$$' ./edge/internal/devices

bench-peers: build ## the same checks by station, Redis and PostgreSQL in turn; var/bench/peers.jsonl
	@./.ci/deps bench
	$(BIN)/yipiao bench --dir $(VAR) --only peers --out $(VAR)/bench/peers.jsonl

model: ## Spin on the custody model: all that must hold, and every planted mistake (4 minutes)
	@./.ci/deps build model
	@./docs/model/check

tidy: ## check that go.mod is tidy
	$(GO) mod tidy -diff
