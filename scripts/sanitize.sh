#!/usr/bin/env bash
# Runs the op tests with an addon and an emulated CUDA device built under AddressSanitizer and
# UndefinedBehaviourSanitizer.
#   scripts/sanitize.sh          some cases of every op
#   scripts/sanitize.sh all      every case, the runtime's tests too
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(node -p "require('./package.json').version")
hash_of() {
  node --input-type=module -e "import * as paths from './scripts/paths.js'; console.log(paths.$1)"
}

# At -O1: instrumented, the kernels take minutes to optimise further.
cmake -S . -B build/sanitize -DSTRIATE_SANITIZE=address,undefined \
  -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_FLAGS_SANITIZE=-O1 \
  -DSTRIATE_VERSION="$version" -DSTRIATE_SOURCE_HASH="$(hash_of 'sourceHash()')" \
  -DSTRIATE_EMULATOR_LIBRARY=ON -DSTRIATE_CUDA_VERSION="$version" \
  -DSTRIATE_CUDA_SOURCE_HASH="$(hash_of 'cudaSourceHash(true)')" \
  -DCMAKE_JS_INC="$PWD/node_modules/node-api-headers/include;$PWD/node_modules/node-addon-api" >/dev/null
cmake --build build/sanitize --target striate striate_cuda_emulated -j "$(nproc)" >build/sanitize/build.log ||
  { tail -n 40 build/sanitize/build.log >&2; exit 1; }

tests=(test/ops.test.ts test/cuda/ops.test.ts)
if [ "${1:-}" = all ]; then
  tests+=('test/runtime/**/*.test.ts')
else
  export STRIATE_TEST_CASES=8
fi

# Operands lie in allocations of their own, where a read behind one is seen.
export STRIATE_TEST_APART=1
# Node itself is not instrumented: what it leaves at its end is not counted.
export STRIATE_ADDON="$PWD/build/sanitize/striate.node"
export STRIATE_CUDA_EMULATED="$PWD/build/sanitize/striate_cuda_emulated.so"
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
  node node_modules/mocha/bin/mocha.js --timeout 600000 "${tests[@]}"
