#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every C file is as clang-format and .clang-format make it. Prints file:line for what is not. Mend with: clang-format -i FILE
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null || { echo "check-format.sh: clang-format is missing (package clang-format)" >&2; exit 1; }
tests/list-sources.sh | tr '\n' '\0' | xargs -0 -P "$(nproc)" -n 8 clang-format --dry-run -Werror --ferror-limit=3
