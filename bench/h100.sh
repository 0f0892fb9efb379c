#!/usr/bin/env bash
# What must be seen on a GPU, unattended: bench/h100.sh [PART...] [--data PATH] [--budget SECONDS] [--out DIR]
#
#   doctor     what the machine has
#   check      every kernel against the reference
#   gradients  the five nets at full width, 50 and 512 readings, against PyTorch's gradients from the same weights: within 1e-3 in f32, 2e-2 in f16
#   train      cases d and e, 21 epochs on the images in --data or $ZZ_BENCH_DATA: accuracies and minutes
#   steps      milliseconds a step in f32 and f16 beside PyTorch (eager, torch.compile with CUDA graphs; fp32, TF32, bf16) and TensorFlow.js
#
# Without PART all of them, the longest last; where one fails, the others go on. Each writes its JSON as it goes, to bench/results/GPU/, and a second run goes on where
# the first was broken off; --budget ends it in time.
# Needs Node 20.12 or newer, a GPU driver with Vulkan, and for comparisons a Python with PyTorch ($ZZ_PYTHON, or python3).
set -uo pipefail
from=$PWD
cd "$(dirname "$0")/.."

usage() { sed -n '2,/^set /p' bench/h100.sh | sed '$d; s/^# \{0,1\}//'; }

parts=() data=${ZZ_BENCH_DATA:-} out=
while [ $# -gt 0 ]; do
  case $1 in
    doctor | check | gradients | steps | train) parts+=("$1") ;;
    --data) data=$(cd "$from" && realpath "$2") && shift ;;
    --budget) export ZZ_BENCH_UNTIL=$(($(date +%s) + $2)) && shift ;;
    --out) out=$(cd "$from" && realpath -m "$2") && shift ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 1 ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=(doctor check gradients train steps)

command -v node >/dev/null || { echo 'Node 20.12 or newer is needed' >&2; exit 2; }
[ -d node_modules ] || npm ci || exit 2
[ -d bench/peers/node_modules ] || npm ci --prefix bench/peers || echo 'TensorFlow.js cannot be installed: it is left out' >&2

bench() { node scripts/bench.js "$@"; }
machine=$(bench machine) || { bench doctor; exit 2; }
out=${out:-bench/results/$machine}
mkdir -p "$out"

status=0
for part in "${parts[@]}"; do
  [ "$(date +%s)" -lt "${ZZ_BENCH_UNTIL:-9999999999}" ] || { echo "$part: the time is up; the same command goes on from here"; continue; }
  echo "== $part"
  case $part in
    doctor) bench doctor --json "$out/doctor.json" ;;
    check) bench check --json "$out/check.json" ;;
    gradients)
      bench gradients --backend webgpu --json "$out/gradients.json"
      full=$?
      bench gradients --backend webgpu --precision f16 --json "$out/gradients-f16.json" && [ $full = 0 ]
      ;;
    steps) bench steps --backend webgpu --json "$out/steps.json" ;;
    train)
      if [ -z "$data" ]; then echo 'no images: give --data PATH, a folder or archive with train/<class>/* and test/<class>/*'; continue; fi
      bench train --backend webgpu --data "$data" --json "$out/train.json"
      ;;
  esac || { status=1; echo "$part: something is not as it should be, see above"; }
done
echo "results: $out"
exit $status
