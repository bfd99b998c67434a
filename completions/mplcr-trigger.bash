# SPDX-License-Identifier: MIT
# bash completion for mplcr-trigger                                    shellcheck shell=bash

_mplcr_trigger_options='--socket --name --dir --layout --compress --disks --device --leave-out --include --include-from
    --engine
    --max-bandwidth --max-pause --at-freeze --at-freeze-timeout --passes --accept-unsafe-precopy --timeout
    --leave-paused --dry-run --mplm --max-rate --extend-live --uri --json --quiet --progress --help --version'
_mplcr_trigger_end_live_options='--socket --quiet --progress --help --version'

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
    --engine | -e) words='auto background precopy mplcr stop' ;;
    --layout) words='pages stream' ;;
    --compress) words='zstd' ;;
    --disks) words='overlay reflink subvolume auto none' ;;
    --include | --include-from) _mplcr_trigger_files "$current" -f && return ;;
    --progress) words='always never auto' ;;
    --at-freeze) mapfile -t COMPREPLY < <(compgen -A command -- "$current") && return ;;
    --mplm) words='interval= dirty= relax=on relax=off first-nondirty=on first-nondirty=off' && compopt -o nospace ;;
    --uri) words='tcp:' && compopt -o nospace ;;
    --name | -n | --device | --leave-out | --max-bandwidth | --max-pause | --at-freeze-timeout) return ;;
    --passes | --timeout | -t) return ;;
    *)
        words=$_mplcr_trigger_options
        if [[ ${COMP_WORDS[1]-} == end-live ]]; then
            words=$_mplcr_trigger_end_live_options
        fi
        if ((COMP_CWORD == 1)); then words+=' end-live'; fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _mplcr_trigger mplcr-trigger
