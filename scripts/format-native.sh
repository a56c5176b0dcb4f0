#!/usr/bin/env bash
# Formats the C++ and CUDA sources (--write) or fails on one that is not formatted (--check).
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  --write) mode=(-i) ;;
  --check) mode=(--dry-run --Werror) ;;
  *) echo "usage: $0 --write | --check" >&2; exit 2 ;;
esac
command -v clang-format >/dev/null || { echo "clang-format is missing: apt-get install -y clang-format" >&2; exit 1; }
find native bench -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) -print0 |
  xargs -0 clang-format "${mode[@]}"
