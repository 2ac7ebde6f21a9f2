# What a contributor runs. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help test servers lint docs audit demo bench cluster-tools cluster-tools-all \
	cluster test-cluster test-cluster-all side-by-side image timelines

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: servers ## every test, with real servers (installs them on Debian where they are missing)
	cargo test --workspace --locked

servers: ## only look for the servers that the tests start, and install them on Debian
	@scripts/test-servers

cluster-tools: ## Kubernetes and KEDA as programs, built from Go modules (15 minutes once, on two cores)
	@scripts/cluster-tools

cluster-tools-all: ## and what `make test-cluster-all` needs beyond: KEDA's client, Helm, kwok, Karpenter
	@scripts/cluster-tools all

cluster: cluster-tools ## Kubernetes, KEDA and Foresail on this machine, to try: until Ctrl-C
	@cargo test --quiet --locked --test cluster -- up

test-cluster: ## scenarios on real Kubernetes and KEDA, minutes; one of them: `make test-cluster ARGS=NAME`
	cargo test --locked --test cluster -- $(ARGS)

test-cluster-all: ## every scenario, those too that take long or need cluster-tools-all and `make image`
	FORESAIL_CLUSTER_TIER=all cargo test --locked --test cluster -- $(ARGS)

side-by-side: ## 300 and 1,000 ScaledObjects with KEDA's own triggers and with Foresail's: what each costs (a quarter of an hour)
	cargo build --release --locked --bin foresail
	FORESAIL_BINARY=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/foresail \
		cargo test --locked --test cluster -- side-by-side $(ARGS)

timelines: cluster-tools-all ## records what the simulator must agree with, 45 minutes; one: `make timelines ARGS=ramp`
	cargo test --locked --test cluster -- record $(or $(ARGS),all)

lint: ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --test cluster --locked -- -D warnings

docs: ## the code's documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked

audit: ## licences, banned crates and sources of all dependencies (deny.toml)
	@command -v cargo-deny >/dev/null || { \
		echo "cargo-deny is missing: install it with \`cargo install cargo-deny --locked\`" >&2; exit 1; }
	cargo deny --all-features --locked check bans licenses sources

image: ## the container image as an OCI archive, from a static release build (needs buildah)
	@scripts/image

demo: ## a week of real jobs through the whole loop, no servers needed
	cargo run --release --locked -- demo

bench: ## what Foresail costs, as one report; or one measure at length: `make bench ARGS="load --seconds 10"`
	cargo run --release --locked --package foresail-bench -- $(or $(ARGS),all)
