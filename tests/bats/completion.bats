#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
#
# What bash, zsh and fish offer, from the completions that the build had the tools print.

load helpers

# bash_offers WORD…: the candidates, one a line, for the last word of a command line. As bash does it, --a=b is given as
# three words.
bash_offers() {
    bash -c '
        compopt() { :; }
        source "$1" || exit
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _${1//-/_}
        ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' bash "$BUILD/completions/$1.bash" "$@"
}

zsh_offers() {
    timeout 60 zsh -f "$BATS_TEST_DIRNAME/complete.zsh" "$BUILD/completions" "$1" | sort -u
}

fish_offers() {
    HOME=$T XDG_CONFIG_HOME=$T XDG_DATA_HOME=$T fish --no-config \
        -c "source $BUILD/completions/${1%% *}.fish; complete -C '$1'" | cut -f 1
}

# offers LINE CANDIDATE…: all three shells offer just these for the command line, in any order.
offers() {
    local line=$1 expected words
    shift
    expected=$(printf '%s\n' "$@" | sort)
    read -r -a words <<<"${line/=/ = }"
    [[ $line != *' ' ]] || words+=('')
    assert_equal "bash: $(bash_offers "${words[@]}" | sort)" "bash: $expected"
    assert_equal "zsh: $(zsh_offers "$line" | sort)" "zsh: $expected"
    assert_equal "fish: $(fish_offers "$line" | sed 's/^--[a-z-]*=//' | sort)" "fish: $expected"
}

# The long options in the help of a tool, or of a verb.
options_of() {
    "$@" --help | sed -nE 's/^ {2}(-[A-Za-z0-9],|   ) (--[a-z-]+).*/\2/p'
}

@test "every option of --help is offered, for each verb just its own" {
    local tool verb line options
    for tool in mplcr-{trigger,restore,chain,snap,trace}; do
        for verb in '' $("$tool" --help | sed -n '/^Verbs /,$p' | sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p'); do
            line="$tool${verb:+ $verb}"
            options=$(options_of $line | sort)
            [[ -n $options ]] || options=$'--help\n--version'
            assert_equal "$line: $(bash_offers $line -- | grep -x -- '--[a-z].*' | sort)" "$line: $options"
            assert_equal "$line: $(fish_offers "$line --" | sort)" "$line: $options"
        done
    done
    assert_equal "$(zsh_offers 'mplcr-chain prune --' | sort)" "$(options_of mplcr-chain prune | sort)"
    assert_equal "$(zsh_offers 'mplcr-restore --' | sort)" "$(options_of mplcr-restore | sort)"
}

@test "verbs" {
    local verbs
    verbs=$(mplcr-chain --help | sed -n '/^Verbs /,$p' | sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p')
    assert_equal "$(zsh_offers 'mplcr-chain ' | sort)" "$(sort <<<"$verbs")"
    assert_equal "$(fish_offers 'mplcr-chain ' | sort)" "$(sort <<<"$verbs")"
    assert_equal "$(bash_offers mplcr-chain '' | sort)" "$(printf '%s\n' $verbs --help --version | sort)"
    offers 'mplcr-chain sh' shorten
    offers 'mplcr-trigger end' end-live
    offers 'mplcr-trigger end-live --s' --socket
}

@test "the words that a value can be, also after =" {
    offers 'mplcr-trigger --engine ' auto background precopy mplcr stop
    offers 'mplcr-trigger -e pre' precopy
    offers 'mplcr-trigger --engine=p' precopy
    offers 'mplcr-trigger --disks=' overlay reflink subvolume auto none
    offers 'mplcr-trigger --layout ' pages stream
    offers 'mplcr-trigger --uri ' tcp:
    offers 'mplcr-trace plot --only p' pending phases pause
    offers 'mplcr-trace parse -f q' qemu
    offers 'mplcr-snap reflink --reflink a' always auto
    offers 'mplcr-snap probe --need sub' subvolume subvolume-root
    offers 'mplcr-snap overlay -F qc' qcow2 qcow
    offers 'mplcr-snap remove --progress a' always auto
}

@test "one letter means another thing to another verb, and a free text is not completed" {
    socket_at "$T/vm.qmp"
    cd "$T"
    offers 'mplcr-snap overlay -s v' vm.qmp
    assert_equal "$(bash_offers mplcr-snap reflink -s '')" ''
    assert_equal "$(fish_offers 'mplcr-snap reflink -s ')" ''
    assert_equal "$(bash_offers mplcr-trigger --name '')$(bash_offers mplcr-trigger --timeout = '')" ''
}

# A socket that nobody listens to.
socket_at() {
    timeout 0.2 socat UNIX-LISTEN:"$1",unlink-close=0 - </dev/null || true
    [[ -S $1 ]]
}

@test "names by kind: sockets, directories, files, checkpoints, commands" {
    local tool
    cd "$T"
    mkdir x_dir x_mem.ckpt
    touch x_file
    socket_at "$T/x_socket"
    for tool in mplcr-trigger 'mplcr-trigger end-live' mplcr-restore 'mplcr-trace record' 'mplcr-chain shorten'; do
        assert_equal "$(bash_offers $tool --socket x_ | sort)" $'x_dir/\nx_mem.ckpt/\nx_socket'
        assert_equal "$(fish_offers "$tool --socket x_" | sort)" $'x_dir/\nx_mem.ckpt/\nx_socket'
    done
    offers 'mplcr-trigger --socket=x_s' x_socket
    assert_equal "$(zsh_offers 'mplcr-trigger --socket x_' | sort)" $'x_dir\nx_mem.ckpt\nx_socket'
    assert_equal "$(bash_offers mplcr-trigger --dir = x_ | sort)" $'x_dir/\nx_mem.ckpt/'
    assert_equal "$(fish_offers 'mplcr-trigger --dir x_' | sort)" $'x_dir/\nx_mem.ckpt/'
    assert_equal "$(zsh_offers 'mplcr-trigger --dir x_' | sort)" $'x_dir\nx_mem.ckpt'
    assert_equal "$(bash_offers mplcr-chain walk x_ | sort)" $'x_dir/\nx_file\nx_mem.ckpt/'
    assert_equal "$(bash_offers mplcr-restore x_ | sort)" $'x_dir/\nx_mem.ckpt'
    assert_equal "$(fish_offers 'mplcr-restore x_' | sort)" $'x_dir/\nx_mem.ckpt'
    assert_equal "$(bash_offers mplcr-trigger --at-freeze mplcr-sna | uniq)" mplcr-snap
    assert_equal "$(fish_offers 'mplcr-trigger --at-freeze mplcr-sna')" mplcr-snap
    assert_equal "$(bash_offers mplcr-restore x_mem.ckpt -- mplcr-sna | uniq)" mplcr-snap
    assert_equal "$(zsh_offers 'mplcr-restore x_mem.ckpt -- mplcr-sna')" mplcr-snap
}

@test "--completion of an unknown shell is bad usage" {
    run -2 mplcr-trace --completion csh
    assert_output "mplcr-trace: --completion: 'csh' is not bash, zsh or fish"
}
