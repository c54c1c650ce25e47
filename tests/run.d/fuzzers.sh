#!/usr/bin/env bash
# The fuzzers' long run. Part of tests/run, which has $log and count. A short one is part of the suites.

# Built with every optimization, and with every check for overflow. What was found is printed, and kept by proptest
# in the crate's folder, where the suites begin with it from then on. TROIKA_FUZZ_CASES asks for more or fewer cases.
fuzzers() {
  local crate folder program built
  # All at once: cargo builds what they share once then.
  built="$(cargo test --profile fuzz -p troika-gateway -p troika-identity -p troika-chat --lib --no-run 2>&1)" || { echo "$built"; return 1; }
  : >"$log"
  for crate in troika_gateway:gateway troika_identity:services/identity troika_chat:services/chat; do
    folder="${crate#*:}"
    program="$(sed -nE "s|^ *Executable .*\((.*/${crate%%:*}-[0-9a-f]+)\)\$|\1|p" <<<"$built")"
    [ -x "$program" ] || { echo "cargo does not say where the fuzzers of $folder are"; return 1; }
    "$program" --list 2>/dev/null | sed -nE 's/^((.*::)?fuzz::.*): test$/\1/p' |
      PROPTEST_CASES="${TROIKA_FUZZ_CASES:-200000}" xargs -P "$(nproc)" -I NAME bash -c 'fuzz_one "$@"' fuzz_one "$program" "$folder" NAME | tee -a "$log"
  done
  count "$(grep -c '^ok ' "$log")" "$(grep -c '^FAILED ' "$log")"
  grep -q '^ok ' "$log" && ! grep -q '^FAILED ' "$log"
}

# fuzz_one PROGRAM FOLDER NAME: one fuzzer and its figures.
fuzz_one() {
  local said start=$SECONDS
  if said="$(cd "$2" && timeout 1800 "$1" --exact "$3" 2>&1)"; then
    printf 'ok %s: %s cases, %s s\n' "$3" "$PROPTEST_CASES" $((SECONDS - start))
  else
    printf 'FAILED %s: after %s s\n%s\n' "$3" $((SECONDS - start)) "$said"
  fi
}
export -f fuzz_one
