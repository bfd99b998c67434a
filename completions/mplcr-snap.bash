# SPDX-License-Identifier: MIT
# bash completion for mplcr-snap                                       shellcheck shell=bash

_mplcr_snap_options='--absolute --backing-format --force --socket --name --device --to --suffix --reflink --chain
    --live-ok --null --read-only --set --in --dry-run --need --json --quiet --progress --help --version'

# The options of the verb $1.
_mplcr_snap_options_of() {
    local common='--json --quiet --progress --help --version'
    case $1 in
    overlay) echo "--absolute --backing-format --force --socket --name --device $common" ;;
    reflink) echo "--to --suffix --reflink --chain --live-ok --null $common" ;;
    subvolume) echo "--read-only --live-ok $common" ;;
    list) echo "$common" ;;
    remove) echo "--set --in --force --dry-run --null $common" ;;
    probe) echo "--need $common" ;;
    *) echo "$_mplcr_snap_options" ;;
    esac
}

# Adds the files below $1 that `test OPERATOR` accepts, and directories to go on into.
_mplcr_snap_files() {
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

_mplcr_snap() {
    local current=${COMP_WORDS[COMP_CWORD]} previous='' option='' words=''
    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'overlay reflink subvolume list remove probe --help --version' -- "$current")
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
    # One letter means another thing to another verb.
    case ${COMP_WORDS[1]}:$option in
    overlay:-s) option=--socket ;;
    reflink:-s) option=--suffix ;;
    remove:-s) option=--set ;;
    probe:-n) option=--need ;;
    overlay:-n) option=--name ;;
    esac
    case $option in
    --socket) _mplcr_snap_files "$current" -S && return ;;
    --to | -t | --in | -i) _mplcr_snap_files "$current" -d && return ;;
    --backing-format | -F) words='raw qcow2 qcow qed vmdk vdi vhdx vpc parallels' ;;
    --reflink) words='always auto never' ;;
    --need) words='reflink subvolume subvolume-root punch-hole' ;;
    --progress) words='always never auto' ;;
    --suffix | -s | --name | -n | --device | -d) return ;;
    esac
    if [[ -z $words && $current != -* ]]; then
        _mplcr_snap_files "$current" -f && return
    fi
    [[ -n $words ]] || words=$(_mplcr_snap_options_of "${COMP_WORDS[1]}")
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _mplcr_snap mplcr-snap
