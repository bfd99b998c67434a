# SPDX-License-Identifier: MIT
# bash completion for mplcr-restore                                    shellcheck shell=bash

_mplcr_restore_options='--lazy --eager --paused --timeout --receiver --name --dir --socket --foreground --print
    --verify --force --json --quiet --progress --help --version'

# Adds what begins with $1 and is a socket (-S), a directory (-d), or a checkpoint (ckpt), and directories to go on into.
_mplcr_restore_files() {
    local file
    while IFS= read -r file; do
        if [[ $2 == ckpt && $file == *.ckpt && -d $file ]]; then
            COMPREPLY+=("$file")
        elif [[ -d $file ]]; then
            COMPREPLY+=("$file/")
        elif [[ $2 == -S && -S $file ]]; then
            COMPREPLY+=("$file")
        fi
    done < <(compgen -f -- "$1")
    compopt -o filenames
    [[ $2 == ckpt && ${COMPREPLY[0]-} == *.ckpt ]] || compopt -o nospace
}

_mplcr_restore() {
    local current=${COMP_WORDS[COMP_CWORD]} previous='' option='' words='' i
    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    # What follows -- is QEMU's command line.
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            compopt -o default
            ((i + 1 < COMP_CWORD)) || mapfile -t COMPREPLY < <(compgen -c -- "${current:-qemu-system-}")
            return
        fi
    done
    if [[ $current == '=' ]]; then
        option=$previous current=''
    elif [[ $previous == '=' ]] && ((COMP_CWORD >= 2)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    else
        option=$previous
    fi
    case $option in
    --socket | -s | --receiver | -r) _mplcr_restore_files "$current" -S && return ;;
    --dir | -d) _mplcr_restore_files "$current" -d && return ;;
    --progress) words='always never auto' ;;
    --name | -n | --timeout | -t) return ;;
    *)
        if [[ $current != -* ]]; then
            _mplcr_restore_files "$current" ckpt
            return
        fi
        words="$_mplcr_restore_options --"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _mplcr_restore mplcr-restore
