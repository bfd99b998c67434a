# SPDX-License-Identifier: MIT
# bash completion for mplcr-chain                                      shellcheck shell=bash

_mplcr_chain_options='--max-depth --null --json --trust-paths --follow-remote --sums --strict --deep
    --timeout --digest --read-only --force --dot --keep --into --leave --socket --keep-within --dry-run
    --to --copy --quiet --progress --help --version'

# The options of the verb $1.
_mplcr_chain_options_of() {
    local common='--quiet --progress --help --version'
    case $1 in
    walk) echo "--max-depth --null --json $common" ;;
    verify) echo "--max-depth --trust-paths --follow-remote --sums --deep --timeout --strict --null --json $common" ;;
    seal) echo "--digest --read-only --force --null $common" ;;
    tree) echo "--dot --json $common" ;;
    usage) echo "--json $common" ;;
    shorten) echo "--keep --into --leave --socket --json $common" ;;
    prune) echo "--keep --keep-within --dry-run --socket --json $common" ;;
    relocate) echo "--to --copy --json $common" ;;
    *) echo "$_mplcr_chain_options" ;;
    esac
}

# Adds the files below $1 that `test OPERATOR` accepts, and directories to go on into.
_mplcr_chain_files() {
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

_mplcr_chain() {
    local current=${COMP_WORDS[COMP_CWORD]} previous='' option='' words=''
    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words='walk verify seal tree usage shorten prune relocate --help --version'
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
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
    # These letters are options without a value there.
    [[ ${COMP_WORDS[1]} != verify || $option != -[st] ]] || option=''
    case $option in
    --socket | -s) _mplcr_chain_files "$current" -S && return ;;
    --to | -t) mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
    --into | -i) _mplcr_chain_files "$current" -f && return ;;
    --keep | -k | --keep-within | -w) return ;;
    --progress) words='always never auto' ;;
    --max-depth | -d | --timeout | -T) return ;;
    esac
    if [[ -z $words && $current != -* ]]; then
        _mplcr_chain_files "$current" -f && return
    fi
    [[ -n $words ]] || words=$(_mplcr_chain_options_of "${COMP_WORDS[1]}")
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _mplcr_chain mplcr-chain
