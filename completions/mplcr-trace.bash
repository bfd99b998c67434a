# SPDX-License-Identifier: MIT
# bash completion for mplcr-trace                                      shellcheck shell=bash

_mplcr_trace_options='--format --unknown --json --csv --output --type --force --terminal --only --checkpoint
    --socket --interval --timeout --events --quiet --progress --help --version'

# The options of the verb $1.
_mplcr_trace_options_of() {
    local common='--quiet --progress --help --version'
    case $1 in
    parse) echo "--format --unknown $common" ;;
    summary) echo "--format --json --csv $common" ;;
    compare) echo "--format --json $common" ;;
    plot) echo "--format --output --type --force --terminal --only --checkpoint $common" ;;
    record) echo "--socket --interval --timeout --events $common" ;;
    *) echo "$_mplcr_trace_options" ;;
    esac
}

# Adds the files below $1 that `test OPERATOR` accepts, and directories to go on into.
_mplcr_trace_files() {
    local file
    while IFS= read -r file; do
        if [[ -d $file ]]; then
            COMPREPLY+=("$file/")
        elif test "$2" "$file"; then
            COMPREPLY+=("$file")
        fi
    done < <(compgen -f -- "$1")
    compopt -o filenames -o nospace
}

_mplcr_trace() {
    local current=${COMP_WORDS[COMP_CWORD]} previous='' option='' words=''
    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'parse summary compare plot record --help --version' -- "$current")
        return
    fi
    # --option=value comes as three words: the value completes the same way.
    if [[ $current == '=' ]]; then
        option=$previous current=''
    elif [[ $previous == '=' ]] && ((COMP_CWORD >= 2)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    else
        option=$previous
    fi
    case $option in
    --socket | -s) _mplcr_trace_files "$current" -S && return ;;
    --output | -o) _mplcr_trace_files "$current" -f && return ;;
    --format | -f) words='auto mplm stap qemu mplcr' ;;
    --type) words='svg png' ;;
    --only) words='pending bandwidth phases pause' ;;
    --progress) words='always never auto' ;;
    --checkpoint | -c | --interval | -i | --timeout | -t) return ;;
    esac
    if [[ -z $words && $current != -* ]]; then
        _mplcr_trace_files "$current" -f && return
    fi
    [[ -n $words ]] || words=$(_mplcr_trace_options_of "${COMP_WORDS[1]}")
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _mplcr_trace mplcr-trace
