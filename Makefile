# Short names for go commands; `make` alone lists them. Nothing here is needed to use the packages.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 10s
OUT      ?= out
# Version of Go's FIPS 140-3 module: certified, inprocess, or one that go env GOROOT has in lib/fips140.
FIPSMODULE ?= certified

# runtime/secret (clears registers and stacks after asymmetric cryptography) exists only under this experiment.
EXPERIMENT := GOEXPERIMENT=runtimesecret

.DEFAULT_GOAL := help
.PHONY: help run build pkcs11 test test-pkcs11 attack-tests lint race fuzz fuzz-seeds bench generate drift clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build, start the emulator, find its capacity under a realistic mix, write the report (about a minute)
	@./bin/trent capacity --out $(OUT) || test $$? -eq 6 # 6: a lower bound, which is a result too

build: ## build bin/trent
	$(EXPERIMENT) $(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/trent ./cmd/trent

pkcs11: ## build bin/trent-pkcs11, which can serve in front of a device by PKCS #11 (needs cgo)
	CGO_ENABLED=1 $(EXPERIMENT) $(GO) build -trimpath -tags pkcs11 -ldflags '-X main.version=$(VERSION)' -o bin/trent-pkcs11 ./cmd/trent

fips: ## build bin/trent-fips on Go's FIPS 140-3 module, for 'trent-fips serve --fips'
	GOFIPS140=$(FIPSMODULE) $(EXPERIMENT) $(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/trent-fips ./cmd/trent

test-fips: ## run the tests of the HSM and of TLS on Go's FIPS 140-3 module
	GOFIPS140=$(FIPSMODULE) $(EXPERIMENT) $(GO) test ./hsm/... ./fastpath/frontend

test: ## run all tests
	$(GO) test ./...
	$(GO) build -o $(OUT)/trent-under-test ./cmd/trent
	TRENT_TEST_HSM=$(abspath $(OUT))/trent-under-test $(GO) test ./fastpath/conformance
	$(EXPERIMENT) $(GO) test ./hsm/...

test-pkcs11: ## run the tests of devices on SoftHSM2, which is installed from Debian where it is missing
	scripts/softhsm.sh >/dev/null
	SOFTHSM2_MODULE=$$(scripts/softhsm.sh) CGO_ENABLED=1 $(GO) test -tags pkcs11 ./hsm/pkcs11
	CGO_ENABLED=1 $(GO) test -tags pkcs11 -run '^TestPKCS11$$' ./cmd/trent

attack-tests: ## search memory, core dumps, files and traffic of the real programs for keys (root; gdb if installed); says what it skipped
	$(EXPERIMENT) $(GO) build -o $(OUT)/attack/trent ./cmd/trent
	$(EXPERIMENT) $(GO) build -tags reveal -o $(OUT)/attack/trent-reveal ./cmd/trent
	TRENT_ATTACK_TESTS=1 TRENT_ATTACK_PROGRAMS=$(abspath $(OUT))/attack $(GO) test -count 1 -v ./cmd/trent/attacktest
	$(EXPERIMENT) $(GO) test -count 1 -v -run 'Arena|UnderAttack' ./hsm ./hsm/internal/session ./cmd/trent

lint: ## gofmt, vet, staticcheck, and the house rules (import graph, file sizes, package comments)
	@test -z "$$(gofmt -l cmd hsm fastpath store loadgen results bench scripts)" || { gofmt -l cmd hsm fastpath store loadgen results bench scripts; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./scripts/house

race: ## run the short tests under the race detector
	$(GO) test -race -short ./...

fuzz: ## run every fuzz target for FUZZTIME (10s)
	FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

fuzz-seeds: ## run the seeds of every fuzz target
	$(GO) test -run '^Fuzz' ./...

bench: build ## measure against the floors in the same run, print and record the figures
	$(EXPERIMENT) $(GO) run ./bench/trentbench -out $(OUT)/bench

generate: ## regenerate the codecs from the API model, and the README's table of operations
	$(GO) generate ./...

drift: ## compare the API model with the newest SDK module (needs the module proxy; exit code 4: they differ)
	$(GO) build -o bin/drift ./scripts/drift
	@./bin/drift

clean: ## remove what was built and measured
	rm -rf bin $(OUT)
