#!/usr/bin/env bash
# Builds core, worker and tests on a machine with a card, runs what only a card can show, and prints
# one table. Needs Python's torch 2.11 or newer with CUDA, cmake, a C++20 compiler, and nvcc for the
# kernels; no Node and no network. With Node and node_modules the addon's tests run as well.
#
#   scripts/gpu/run.sh collect     on a clone: what a bare machine lacks, into .gpu/
#   scripts/gpu/run.sh             all of: build, test, addon, bench
#   scripts/gpu/run.sh build test  some of them
#
# The status is 0 only if all that ran was good.
#
# BENCH_OPTIONS replaces the benchmark's options: `--device cpu --variant B --depth 2` tries this
# script without a card.
set -euo pipefail
cd "$(dirname "$0")/../.."

gathered=.gpu
tree=.cache/gpu
release=$PWD/build/Release
log=$tree/run.log
bad=0

say() { printf '[gpu %4ds] %s\n' "$SECONDS" "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

# Sources that a clone has from npm and from the system.
collect() {
  local doctest
  doctest=$(find /usr/include /usr/local/include -path '*/doctest/doctest.h' -print -quit)
  [[ -n $doctest ]] || fail "doctest is not here: apt-get install doctest-dev"
  rm -rf "$gathered"
  mkdir -p "$gathered/include/doctest" "$gathered/simdjson"
  cp "$doctest" "$gathered/include/doctest/"
  cp node_modules/@nozbe/simdjson/src/simdjson.{cpp,h} "$gathered/simdjson/"
  say "$gathered has what a bare machine lacks; take it along with the clone"
}

libtorch() {
  python3 -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))'
}

build() {
  local options=() torch
  torch=$(libtorch) || fail "python3 has no torch"
  if [[ -d $gathered ]]; then
    options+=("-DSIMDJSON=$PWD/$gathered/simdjson" "-DDOCTEST_INCLUDE=$PWD/$gathered/include")
  fi
  command -v ninja >/dev/null && options+=(-G Ninja)
  say "building against $torch"
  mkdir -p "$tree"
  cmake -S . -B "$tree" "-DTORCHSIGHT_LIBTORCH=$torch" "-DTORCHSIGHT_RELEASE=$release" \
    -DCMAKE_BUILD_TYPE=Release "${options[@]}" >"$log" 2>&1 || show_log
  cmake --build "$tree" --parallel "$(nproc)" >>"$log" 2>&1 || show_log
}

show_log() {
  tail -n 40 "$log" >&2
  fail "the build failed; $log has all of it"
}

run_tests() {
  say "C++ tests"
  "$tree/native/tests/torchsight_tests" | tee "$tree/tests.log" >&2 || bad=1
  summary "C++" "$(grep -E '^\[doctest\] test cases' "$tree/tests.log" || echo "they ended early")"
  summary "C++, skipped" "$(grep -c '^skipped: ' "$tree/tests.log" || true)"
}

addon() {
  if ! command -v node >/dev/null || [[ ! -d node_modules ]]; then
    summary "addon" "not run: there is no Node here, or no node_modules"
    return
  fi
  say "the addon's tests"
  export TORCHSIGHT_LIBTORCH=python
  if ! node scripts/bootstrap.mjs libtorch native ts >&2; then
    summary "addon" "not built"
    bad=1
    return
  fi
  node_modules/.bin/ava --tap 'test/gpu/*.test.ts' | tee "$tree/addon.log" >&2 || bad=1
  local passed skipped failed
  skipped=$(grep -cE '^ok .*# SKIP' "$tree/addon.log" || true)
  passed=$(($(grep -cE '^ok ' "$tree/addon.log" || true) - skipped))
  failed=$(grep -cE '^not ok ' "$tree/addon.log" || true)
  summary "addon" "$passed passed, $failed failed, $skipped skipped"
}

bench() {
  local options=(--float8)
  [[ -n ${BENCH_OPTIONS:-} ]] && read -ra options <<<"$BENCH_OPTIONS"
  say "ViT-22B: ${options[*]}"
  measure "${options[@]}"
  [[ -n ${BENCH_OPTIONS:-} ]] && return
  # Which kernel of attention is fastest at a large batch.
  for attention in flash cudnn; do measure --batches 32 --attention "$attention"; done
}

measure() {
  local program=$tree/native/bench/torchsight_vit22b_bench
  { "$program" "$@" && echo; } >>"$tree/bench.md" && return
  summary "bench $*" "failed"
  bad=1
}

summary() { printf '%s: %s\n' "$1" "$2" | tee -a "$tree/summary.txt" >&2; }

report() {
  printf '\n'
  date -u +'date: %Y-%m-%d'
  nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null |
    sed 's/^/card: /' || echo "card: none"
  python3 -c 'import torch; print("torch:", torch.__version__)'
  [[ ! -f $tree/summary.txt ]] || cat "$tree/summary.txt"
  [[ ! -f $tree/bench.md ]] || { echo && cat "$tree/bench.md"; }
}

steps=("$@")
[[ ${#steps[@]} -gt 0 ]] || steps=(build test addon bench)
rm -f "$tree/summary.txt" "$tree/bench.md"
for step in "${steps[@]}"; do
  case $step in
    collect) collect && exit ;;
    build) build ;;
    test) run_tests ;;
    addon) addon ;;
    bench) bench ;;
    *) fail "expected collect, build, test, addon or bench but received $step" ;;
  esac
done
report
exit "$bad"
