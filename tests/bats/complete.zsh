# SPDX-License-Identifier: MIT
#
# What zsh offers for a command line, one candidate a line:
#
#     zsh -f complete.zsh FOLDER LINE
#
# FOLDER has the completion functions. A shell of its own on a terminal gets LINE and a tab; all candidates come through
# its compadd, which prints them.

if [[ -z ${COMPLETE_CHILD-} ]]; then
    zmodload zsh/zpty || exit 2
    zpty shell zsh -f -i
    zpty -w shell "PROMPT= COMPLETE_CHILD=${(qq)1}; stty -echo; source ${(qq)0:A}"
    zpty -r shell begun $'*ready\r\n'
    zpty -w -n shell "$2"$'\t'
    zpty -r shell offered $'*end of candidates*'
    zpty -d shell
    print -r -- "${${offered#*candidates:}%end of candidates*}" | tr -d '\r' | sed '/^$/d'
    exit
fi

fpath=($COMPLETE_CHILD $fpath)
autoload -Uz compinit
compinit -u -D
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
zstyle ':completion:*' completer _complete

# -O and -A only fill arrays, -D only strikes from some.
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a __offered
    builtin compadd -A __offered "$@"
    (( $#__offered )) || return
    print -rl -- $__offered
    builtin compadd "$@"
}
begin_candidates() { print 'candidates:' }
end_candidates() { print 'end of candidates' }
compprefuncs=(begin_candidates)
comppostfuncs=(end_candidates)
print ready
