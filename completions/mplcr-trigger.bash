# SPDX-License-Identifier: MIT
# bash completion for mplcr-trigger                                    shellcheck shell=bash

_mplcr_trigger_options='--socket --name --dir --layout --compress --disks --device --leave-out --engine
    --max-bandwidth --max-pause --passes --accept-unsafe-precopy --timeout --leave-paused --dry-run --json
    --quiet --progress --help --version'

# Adds the files below $1 that `test OPERATOR` accepts, and directories to go on into.
_mplcr_trigger_files() {
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

_mplcr_trigger() {
    local current=${COMP_WORDS[COMP_CWORD]} previous='' option='' words=''
    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    # --option=value comes as three words: the value completes the same way.
    if [[ $current == '=' ]]; then
        option=$previous current=''
    elif [[ $previous == '=' ]] && ((COMP_CWORD >= 2)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    else
        option=$previous
    fi
    case $option in
    --socket | -s) _mplcr_trigger_files "$current" -S && return ;;
    --dir | -d) _mplcr_trigger_files "$current" -d && return ;;
    --engine | -e) words='auto background precopy stop' ;;
    --layout) words='pages stream' ;;
    --compress) words='zstd' ;;
    --disks) words='overlay none' ;;
    --progress) words='always never auto' ;;
    --name | -n | --device | --leave-out | --max-bandwidth | --max-pause | --passes | --timeout | -t) return ;;
    *) words=$_mplcr_trigger_options ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _mplcr_trigger mplcr-trigger
