#!/usr/bin/env bash
# Static analysis of the C++ sources with cppcheck; fails on any finding.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cppcheck >/dev/null || { echo "cppcheck is missing: apt-get install -y cppcheck" >&2; exit 1; }
# The macros of the build; each instruction set is a configuration of the same source.
cppcheck -q -j "$(nproc)" --std=c++17 --language=c++ --enable=warning,performance,portability \
  --inline-suppr --suppress=missingInclude --suppress=unmatchedSuppression --suppress=compareBoolExpressionWithInt \
  --suppress=useInitializationList --error-exitcode=1 \
  -Inative -D__x86_64__ -DSTRIATE_ISA=baseline -DSTRIATE_BASELINE -DSTRIATE_HAS_baseline \
  $(find native -name '*.cpp' -not -path 'native/emulator/*' -not -path 'native/cuda/*')
