#!/usr/bin/env bash
# Checks over the whole system as it runs: the pages in a real browser, and a fuzzer of the public API. Part of
# tests/run, which has $tools, $log, $long, say and count.

system_pid=""
system_data=""
system_gateway=""
system_flags=""

troika() {
  TROIKA_DATA_DIR="$system_data" "$CARGO_TARGET_DIR/debug/troika" "$@"
}

# The real binary with every role on free ports and data of its own. Nobody on this machine has limits.
start_system() {
  system_data="$(mktemp -d)"
  PORT=0 TROIKA_CHAT__LISTEN=127.0.0.1:0 TROIKA_TTS__LISTEN=127.0.0.1:0 TROIKA_FLAGS__LISTEN=127.0.0.1:0 \
    TROIKA_METRICS__LISTEN=127.0.0.1:0 TROIKA_ADMIN__LISTEN=127.0.0.1:0 RATE_LIMIT_IP_WHITELIST=127.0.0.0/8 \
    TROIKA_DATA_DIR="$system_data" "$CARGO_TARGET_DIR/debug/troika" >"$system_data/out" 2>"$system_data/log" &
  system_pid=$!
  local ready=""
  for _ in $(seq 150); do
    ready="$(grep '^ready' "$system_data/out" || true)"
    [ -z "$ready" ] && kill -0 "$system_pid" 2>/dev/null || break
    sleep 0.2
  done
  if [ -z "$ready" ]; then
    echo "troika did not become ready:"
    cat "$system_data/log"
    stop_system
    return 1
  fi
  system_gateway="$(sed -nE 's/.* gateway=([^ ]+).*/\1/p' <<<"$ready")"
  system_flags="$(sed -nE 's/.* flags=([^ ]+).*/\1/p' <<<"$ready")"
}

stop_system() {
  [ -n "$system_pid" ] || return 0
  kill "$system_pid" 2>/dev/null && wait "$system_pid" 2>/dev/null || true
  rm -rf "$system_data"
  system_pid=""
}

browser_suite() {
  local status=0 token password
  start_system || return 1
  token="$(troika token --role admin)"
  password="$(head -c 24 /dev/urandom | base64)"
  # The suite fails without an account, and says so.
  printf '%s' "$password" | troika admin create --email ada@shop.example --password-stdin --addr "$system_flags" || password=""
  (cd tests/browser && TROIKA_URL="$system_gateway" TROIKA_ADMIN_TOKEN="$token" TROIKA_ADMIN_EMAIL=ada@shop.example TROIKA_ADMIN_PASSWORD="$password" \
    node --test --test-concurrency=1 --test-reporter=spec ./*.test.mjs) 2>&1 | tee "$log" || status=$?
  count "$(sed -nE 's/^ℹ pass ([0-9]+)$/\1/p' "$log")" "$(awk '/^ℹ (fail|cancelled) / { n += $3 } END { print n + 0 }' "$log")"
  stop_system
  return "$status"
}

# Whatever is sent to whatever /openapi.json names, the server has no error, and its answers are what the document says:
# asked by an administrator, and by nobody. A seed that found something can be given again: TROIKA_FUZZ_SEED.
api_fuzzer() {
  local status=0 seed="${TROIKA_FUZZ_SEED:-$RANDOM}" examples=20 token
  ! $long || examples=1000
  start_system || return 1
  token="$(troika token --role admin)"
  echo "seed $seed, $examples examples of each operation"
  echo "-- asked by nobody"
  fuzz "$seed" "$examples" || status=$?
  # Last, for an administrator switches flags: a voice that is off is told by 503.
  echo "-- asked by an administrator"
  fuzz "$seed" "$examples" --header "Authorization: Bearer $token" --exclude-path /api/text-to-speech || status=$?
  if ! kill -0 "$system_pid" 2>/dev/null || ! curl -fsS --max-time 5 "$system_gateway/ready" >/dev/null; then
    echo "troika is not ready any more:"
    tail -5 "$system_data/log"
    status=1
  fi
  if grep -q panicked "$system_data/log"; then
    grep panicked "$system_data/log"
    status=1
  fi
  stop_system
  return "$status"
}

# fuzz SEED EXAMPLES [OPTIONS…], in a folder of its own for what the tool keeps. Left out: streams without an end, signing
# out, which would take the token away, and the route whose 503 says that the system is not well.
fuzz() {
  local seed="$1" examples="$2"
  shift 2
  (cd "$system_data" && "$tools/fuzzer/bin/schemathesis" run "$system_gateway/openapi.json" --seed "$seed" --max-examples "$examples" "$@" \
    --phases examples,coverage,fuzzing --continue-on-failure --request-timeout 20 --no-color --warnings off \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    --exclude-path /api/metrics/live --exclude-path '/api/rollouts/{id}/watch' --exclude-path /ofrep/v1/events \
    --exclude-path /api/auth/logout --exclude-path /api/metrics/health/streaming) >"$log" 2>&1 || { cat "$log"; return 1; }
  # That it asked at all is seen here, and not taken from its exit code alone.
  grep -E 'Tested: [1-9]' "$log" && grep -E '[0-9]{3,} (generated|passed)' "$log"
}
