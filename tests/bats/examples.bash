# SPDX-License-Identifier: MIT
#
# What runs the examples of the documentation, after `load helpers`.
# shellcheck shell=bash disable=SC2154  # project: helpers.bash

# examples STATUS FILE…: tests/examples/run ends so.
examples() {
    local expected=$1
    shift
    require root "a world of its own for the examples"
    require loop "btrfs on a loop device"
    require userfaultfd "checkpoints with the engine background"
    [[ -d /srv ]] || skip "there is no /srv"
    TOOL_TIMEOUT=600 run_tool "$expected" "$project/tests/examples/run" "$@"
}
