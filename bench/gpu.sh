#!/usr/bin/env bash
# All that needs a GPU, some eight minutes on one: the tests marked "gpu", then bench/device.py, which gets the arguments
# and writes bench/results/gpu.json. Without a GPU those tests are skipped, and the rest runs on the processor at a
# hundredth of the size.
#
#     NARROWS_DATA=... PYTHON=python3 bench/gpu.sh
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
failed=0
"$PYTHON" -m pytest -q -p no:cacheprovider -m gpu tests/test_gpu.py || failed=1
"$PYTHON" bench/device.py "$@" || failed=1
exit $failed
