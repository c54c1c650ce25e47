#!/usr/bin/env bash
# What is shipped, and what came in with it: dependencies, their known faults, the bill of materials, secrets, the
# image. Part of tests/run, which has $tools, $log, say and step.

# install_cargo_tool NAME VERSION [CARGO'S OPTIONS…]: a checker that runs for a second needs no optimizing, which
# halves its build, to three minutes at most.
install_cargo_tool() {
  local name="$1" version="$2"
  shift 2
  # Some say their version as a command of cargo's alone.
  local installed="$tools/installed/$name"
  [ "$(cat "$installed" 2>/dev/null)" = "$version" ] && [ -x "$tools/bin/$name" ] && return 0
  CARGO_TARGET_DIR="$tools/build" CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    cargo install "$name" --quiet --force --version "$version" --locked --root "$tools" "$@"
  mkdir -p "$tools/installed"
  printf '%s' "$version" >"$installed"
}

install_supply_tools() {
  install_cargo_tool cargo-deny 0.20.2 --no-default-features
  install_cargo_tool cargo-cyclonedx 0.5.9
  rm -rf "$tools/build"
}

# Licences, sources and bans need no network.
dependencies() {
  "$tools/bin/cargo-deny" --offline check bans licenses sources 2>"$log" || { cat "$log"; return 1; }
  tail -1 "$log"
}

# Known faults need RustSec's database from the internet: where it cannot be had, that is said and not counted.
# TROIKA_ADVISORY_DB names a copy of it for machines without the internet.
advisories() {
  step "advisories: what is overlooked" diff <(overlooked deny.toml) <(overlooked .cargo/audit.toml)
  local database="${TROIKA_ADVISORY_DB:-}"
  if [ -z "$database" ]; then
    database="$tools/advisory-db"
    rm -rf "$database"
    if ! timeout 120 git clone --quiet --depth 1 https://github.com/rustsec/advisory-db "$database" 2>"$log"; then
      say "advisories: NOT RUN, their database cannot be had here: $(tail -1 "$log")"
      return
    fi
    step "advisories: cargo-deny" "$tools/bin/cargo-deny" check advisories
  fi
  step "cargo-audit" install_cargo_tool cargo-audit 0.22.2
  step "advisories: cargo-audit" "$tools/bin/cargo-audit" audit --no-fetch --stale --db "$database"
}

overlooked() {
  grep -oE 'RUSTSEC-[0-9]{4}-[0-9]{4}' "$1" | sort
}

# The list of all that is in the program, in CycloneDX, beside it; nothing that is compiled into it may lack.
bill_of_materials() {
  local bill="$CARGO_TARGET_DIR/troika.cdx.json"
  PATH="$tools/bin:$PATH" k8s/bill-of-materials "$bill" || return 1
  python3 - "$bill" <(cargo tree --locked --quiet --package troika --edges normal,no-proc-macro --prefix none --format '{p}') <<'check'
import json, sys
bill, tree = sys.argv[1:]
listed = {(c["name"], c["version"]) for c in json.load(open(bill))["components"]}
built = {tuple(line.split()[:2]) for line in open(tree) if line.strip()}
lacking = {f"{name} {version}" for name, version in built if name != "troika" and (name, version[1:]) not in listed}
print(f"{len(listed)} components; {len(built)} packages are compiled into the program")
sys.exit(f"not listed: {sorted(lacking)}" if lacking or len(built) < 100 else 0)
check
}

# What looks like a secret and is not among the examples that tests use. To take a new one up, when it is an example:
# detect-secrets scan --baseline .secrets.baseline
secrets() {
  # A copy: it writes where known ones moved to, and then ends with 3.
  local known="$log.known" found=0
  cp .secrets.baseline "$known"
  git ls-files -z | xargs -0 sh -c 'detect-secrets-hook --baseline "$0" "$@" || [ $? = 3 ]' "$known" >"$log" || found=$?
  rm -f "$known"
  [ "$found" = 0 ] || { cat "$log"; return 1; }
  echo "no secrets in $(git ls-files | wc -l) files"
}

image() {
  hadolint k8s/Dockerfile
}
