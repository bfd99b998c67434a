#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# A checkpoint from elsewhere is data, and gives no orders: docs/trust.md.

load helpers
load restore

# A checkpoint of a VM with one disk, and a kernel that is none of the checkpoint's.
made() {
    make_disk "$T/a.qcow2" qcow2 64M
    vm_start vm1 -drive "file=$T/a.qcow2,format=qcow2,if=virtio" "$@"
    vm_wait_count vm1 5
    checkpoint x1
    json=$T/x1.ckpt/checkpoint.json
    cp "$json" "$T/good.json"
}

# foreign [SED_SCRIPT]: nobody signed it. (Not with jq, which makes floats of large integers.)
foreign() { sed "/\"mac\":/d; s/\"left_out\": \\[\\],/\"left_out\": []/; ${1-}" "$T/good.json" >"$json"; }

# harmless [JQ_FILTER [SED_SCRIPT]]: the same with a command line that asks for nothing, and then goes through the filter.
harmless() {
    local argv
    argv=$(jq -c --arg kernel "$GUEST" '.qemu.command_line - ["-kernel", $kernel] |
        del(.[index("-append"), index("-append") + 1]) | '"${1-.}" "$T/good.json")
    foreign "/\"command_line\": \\[/,/\\],\$/c \"command_line\": ${argv//\\/\\\\},
${2-}"
}

wants() { jq -r '.wants[] | "\(.kind) \(.option) \(.what)"' <<<"$output"; }

@test "ours restores as it is; unsigned or edited, it shows what it wants and waits for --trust or --adopt" {
    made
    [[ $(jq -r .mac "$json") =~ ^[0-9a-f]{64}$ ]]
    restore c1 "$T/x1.ckpt"
    assert_equal "$(jq -c '[.foreign, .wants]' <<<"$run")" '[false,[]]'
    foreign
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    [[ $stderr == *'is foreign'* && $stderr == *"-kernel $GUEST"* && $stderr == *'nothing was changed'* && $stderr == *--adopt* ]]
    run_tool 3 mplcr-restore --json "$T/x1.ckpt"
    assert_equal "$(jq -r '.foreign, .code' <<<"$output" | xargs)" 'true E-FOREIGN'
    assert_equal "$(wants)" "file -kernel $GUEST"
    sed 's/"pause_ms": /&1/' "$T/good.json" >"$json"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    [[ $stderr == *'changed since'* ]]
    MPLCR_KEY=$T/other run_tool 3 mplcr-restore "$T/x1.ckpt"
    restore c2 --trust "$T/x1.ckpt"
    assert_equal "$(jq .foreign <<<"$run")" true
    run_tool 0 mplcr-restore --adopt --json "$T/x1.ckpt"
    assert_equal "$(wants)" "file -kernel $GUEST"
    assert_equal "$(stat -c %a "$json")" 600
    restore c3 "$T/x1.ckpt"
    assert_equal "$(jq .foreign <<<"$run")" false
}

@test "a foreign one may have what is harmless, and not one thing more" {
    local extra
    made
    harmless '. + ["-netdev","user,id=n","-device","e1000,netdev=n","-serial","null","-rtc","base=utc"]'
    run_tool 0 mplcr-restore --print "$T/x1.ckpt"
    harmless
    restore c1 "$T/x1.ckpt"
    assert_equal "$(jq -c '[.foreign, .wants]' <<<"$run")" '[true,[]]'
    while IFS= read -r extra; do
        [[ -n $extra ]] || continue
        harmless ". + $extra"
        run_tool 3 mplcr-restore --json "$T/x1.ckpt"
        assert_equal "$extra: $(jq -r '"\(.code) \(.wants | length)"' <<<"$output")" "$extra: E-FOREIGN 1"
    done <<'EXTRA'
["-readconfig","/etc/passwd"]
["-chardev","socket,id=c,host=10.0.0.1,port=1"]
["-object","{\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/etc/passwd\"}"]
["-netdev","user,id=n,hostfwd=tcp::1-:1"]
["--device","vfio-pci,host=0:0.0"]
["-drive","file=/etc/passwd,format=raw,if=none,id=p"]
["-incoming","exec:touch /x"]
["-pidfile","/x"]
["-nonsense","x"]
EXTRA
    run_tool 3 mplcr-restore --print "$T/x1.ckpt"
    harmless '. - ["-display","none"]'
    run_tool 3 mplcr-restore --json "$T/x1.ckpt"
    [[ $(wants) == 'socket -display'* ]]
}

@test "a program that a checkpoint brings is never run" {
    local evil
    made
    printf '#!/bin/sh\ntouch %s/ran\necho "QEMU emulator version 99.0.0"\n' "$T" >"$T/evil"
    chmod +x "$T/evil"
    for evil in x1.ckpt/qemu-system-x86_64 qemu-system-x86_64; do
        cp "$T/evil" "$T/$evil"
        harmless ".[0] = \"./$evil\"" "s|\"binary\": .*|\"binary\": \"$T/$evil\",|; s|\"cwd\": .*|\"cwd\": \"$T\"|"
        for how in '' --print --json --adopt; do
            MPLCR_KEY=$T/k2 run mplcr-restore $how "$T/x1.ckpt"
            [[ ! -e $T/ran ]] || fail "$evil ran with '$how'"
        done
        harmless ".[0] = \"./$evil\"" "s|\"binary\": .*|\"binary\": \"$T/$evil\",|; s|\"cwd\": .*|\"cwd\": \"$T\"|"
        run mplcr-restore --print --trust "$T/x1.ckpt"
        [[ ! -e $T/ran ]]
    done
    # nor one that is reached through the checkpoint, wherever it is
    ln -s "$(command -v "$QEMU")" "$T/x1.ckpt/link"
    ln -s x1.ckpt/link "$T/qemu-system-x86_64.2"
    for evil in x1.ckpt/link qemu-system-x86_64.2 x1.ckpt/../qemu-system-x86_64.2; do
        harmless ".[0] = \"./$evil\"" "s|\"binary\": .*|\"binary\": \"$T/$evil\",|"
        run_tool 3 mplcr-restore --trust "$T/x1.ckpt"
        [[ $stderr == *"cannot find the VM's QEMU"* ]]
    done
    # not even ours takes one from inside
    harmless '.[0] = "./x1.ckpt/qemu-system-x86_64"' "s|\"binary\": .*|\"binary\": \"$T/x1.ckpt/qemu-system-x86_64\",|"
    run_tool 3 mplcr-restore --trust "$T/x1.ckpt"
    [[ $stderr == *"cannot find the VM's QEMU"* && ! -e $T/ran ]]
}

@test "a foreign one names a host file as its image: a want, also with a command line of one's own" {
    made
    mkdir -p "$T/host/.ssh" "$T/set"
    make_disk "$T/host/secret" raw 1M
    mv "$T"/x1.ckpt "$T"/a.qcow2 "$T"/*.ovl "$T/set"
    json=$T/set/x1.ckpt/checkpoint.json
    harmless
    run_tool 0 mplcr-restore --print "$T/set/x1.ckpt"
    mv "$T/set/a.qcow2" "$T/host/secret"
    harmless . "s|\"path\": .*a.qcow2\",|\"path\": \"$T/host/secret\",|; /\"relative\": \"a.qcow2\",/d"
    run_tool 3 mplcr-restore --json "$T/set/x1.ckpt" -- "$QEMU" -drive 'file={disk:virtio0}'
    [[ $(wants) == "file disk virtio0 $T/host/secret" ]]
    ln -s "$T/host/secret" "$T/set/a.qcow2"
    harmless
    run_tool 3 mplcr-restore --json "$T/set/x1.ckpt"
    [[ $(wants) == "file disk virtio0 $T/set/a.qcow2" ]]
}

@test "a foreign one brings an image that would lead QEMU elsewhere by its content" {
    local format
    made
    qemu-img create -q -f qcow2 -b "$T/a.qcow2" -F qcow2 "$T/top.qcow2"
    printf '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 1 FLAT "%s" 0\n' \
        "$T/host" >"$T/top.vmdk"
    for format in qcow2:raw vmdk:vmdk vmdk:raw; do
        cp "$T/top.${format%:*}" "$T/a.qcow2"
        harmless . "0,/\"format\": \"qcow2\"/s//\"format\": \"${format#*:}\"/"
        run_tool 3 mplcr-restore --json --force "$T/x1.ckpt"
        [[ $(wants) == "file disk virtio0 $T/a.qcow2 as ${format#*:}"* ]]
    done
}

@test "the key: made once by all who need it first; refused where others can read it" {
    local i
    made
    rm "$MPLCR_KEY"
    for i in 1 2 3 4 5 6; do
        cp -r "$T/x1.ckpt" "$T/y$i.ckpt"
        mplcr-restore --adopt --quiet "$T/y$i.ckpt" 3>&- &
    done
    wait
    assert_equal "$(stat -c %a "$MPLCR_KEY")" 600
    for i in 1 2 3 4 5 6; do
        run_tool 0 mplcr-restore --print "$T/y$i.ckpt"
        run_tool 0 mplcr-restore --adopt "$T/y$i.ckpt"
        [[ $stderr == *'ours already'* ]]
    done
    assert_equal "$(find "$T" -name '.key*' | wc -l)" 1
    chmod 640 "$MPLCR_KEY"
    run_tool 3 mplcr-restore "$T/y1.ckpt"
    [[ $stderr == *E-FOREIGN*'not a file that only we can read'* ]]
    run_tool 3 mplcr-restore --adopt "$T/x1.ckpt"
    [[ $stderr == *'not a file that only we can read'* ]]
}

@test "files of a checkpoint are opened beneath it, with no link on the way" {
    made
    mv "$T/x1.ckpt/ram" "$T/elsewhere"
    ln -s "$T/elsewhere" "$T/x1.ckpt/ram"
    for how in '' --eager --verify '--trust --print'; do
        # shellcheck disable=SC2086
        run_tool 3 mplcr-restore $how "$T/x1.ckpt"
        [[ $stderr == *'symbolic link'* || $stderr == *'Not a directory'* ]]
    done
    run_tool 1 mplcr-chain verify --sums "$T/x1.ckpt"
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- "$QEMU" -m 256M -display none -drive 'file={disk:virtio0}'
    rm "$T/x1.ckpt/ram"
    mkfifo "$T/x1.ckpt/ram"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    rm "$T/x1.ckpt/ram"
    mkdir "$T/x1.ckpt/ram"
    mkfifo "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    rm "$T/x1.ckpt/ram/pc.ram"
    ln -s "$T/elsewhere/pc.ram" "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    assert_nothing_left
}

@test "an image whose header names another backing file than the manifest" {
    local time
    made
    make_disk "$T/host.img" raw 64M
    qemu-img rebase -u -f qcow2 -b "$T/host.img" -F raw "$T/a.qcow2"
    for how in '' --trust --force; do
        # shellcheck disable=SC2086
        run_tool 3 mplcr-restore --force $how "$T/x1.ckpt"
        [[ $stderr == *E-CHAIN-DIFFERS* && $stderr == *"$T/host.img"* ]]
    done
    run_tool 3 mplcr-restore --force "$T/x1.ckpt" -- "$QEMU" -drive 'file={disk:virtio0}'
    [[ $stderr == *E-CHAIN-DIFFERS* ]]
    assert_nothing_left
}

@test "secrets on the command line are masked wherever they could be read" {
    made -object secret,id=s1,data=hunter2 -object '{"qom-type":"secret","id":"s2","data":"hunter2"}'
    grep -q hunter2 "$json"
    run_tool 0 mplcr-restore --print "$T/x1.ckpt"
    [[ $output != *hunter2* && $output == *'data=***'* && $stderr == *--secrets* ]]
    run_tool 0 mplcr-restore --print --secrets "$T/x1.ckpt"
    [[ $output == *'data=hunter2'* ]]
    foreign
    run_tool 3 mplcr-restore --json "$T/x1.ckpt"
    [[ $output$stderr != *hunter2* && $output == *'data=***'* ]]
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    [[ $stderr != *hunter2* ]]
    harmless '. + ["-object","secret,id=s1,data=hunter2"]'
    run_tool 3 mplcr-restore --trust "$T/x1.ckpt"
    [[ $stderr != *hunter2* && $stderr == *'ended with status'* ]]
}

# adopted JQ_FILTER SED_SCRIPT TEXT: so edited and signed, it is refused with this text before QEMU starts.
adopted() {
    harmless "$1" "$2"
    run_tool 0 mplcr-restore --adopt --quiet "$T/x1.ckpt"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    [[ $stderr == *"$3"* && $stderr == *'hint: '* ]] || fail "$stderr"
    assert_nothing_left
}

@test "what the host or QEMU lacks is named, and nothing is started" {
    made
    adopted . 's/"machine": "pc-[^"]*"/"machine": "pc-i440fx-99.0"/' "does not have the VM's machine type 'pc-i440fx-99.0'"
    adopted '. + ["-device","virtio-nosuch-pci"]' '' "does not have the VM's device 'virtio-nosuch-pci'"
    adopted '. + ["-device","{\"driver\":\"nosuch\"}"]' '' "does not have the VM's device 'nosuch'"
    adopted '. + ["-cpu","nosuch"]' '' "does not have the VM's CPU 'nosuch'"
    adopted '. + ["-cpu","qemu64,+sse4_1,pmu=off,+nosuch_f"]' '' "does not have the VM's CPU feature 'nosuch-f'"
    run_tool 3 mplcr-restore --force "$T/x1.ckpt" # tries it
    [[ $stderr == *'QEMU ended with status'* ]]
    adopted '. + ["-cpu","host"]' 's/"accelerator": "tcg"/"accelerator": "kvm","cpu_flags":"fpu nosuch1"/' 'has not: nosuch1'
    adopted '. + ["-cpu","qemu64,+xstore,-nx"]' \
        's/"accelerator": "tcg"/"accelerator": "kvm","cpu_flags":"fpu nx xstore nosuch2"/' 'has not: xstore'
    # of a named model QEMU tells what KVM cannot give here; what its host had not either was never there
    cat >"$T/qemu-system-x86_64" <<END
#!/bin/sh
case "\$*" in *nothing:*) ;; *) exec $(command -v "$QEMU") "\$@" ;; esac
echo "qemu: warning: host doesn't support requested feature: CPUID.01H:ECX.nosuch.3 [bit 19]"
echo "qemu: warning: host doesn't support requested feature: CPUID.07H:EBX.nosuch4 [bit 5]"
echo "qemu: warning: host doesn't support requested feature: CPUID.0DH:EAX [bit 9]"
exit 1
END
    chmod 755 "$T/qemu-system-x86_64"
    adopted '. + ["-cpu","Haswell"]' "s/\"accelerator\": \"tcg\"/\"accelerator\": \"kvm\",\"cpu_flags\":\"fpu nosuch_3\"/
s|\"binary\": \"[^\"]*\"|\"binary\": \"$T/qemu-system-x86_64\"|" 'has not: nosuch_3'
    harmless '. + ["-cpu","qemu64,+sse4_1,pmu=off,-x2apic"]'
    run_tool 0 mplcr-restore --adopt "$T/x1.ckpt"
    restore c1 "$T/x1.ckpt"
    cp "$T/good.json" "$json"
    run_tool 3 mplcr-restore --trust "$T/x1.ckpt" -- "$QEMU" -device nosuch -drive 'file={disk:virtio0}'
    foreign
    run_tool 3 mplcr-restore --trust "$T/x1.ckpt" -- "$QEMU" -device nosuch -drive 'file={disk:virtio0}'
    [[ $stderr == *"does not have the VM's device 'nosuch'"* ]]
}
