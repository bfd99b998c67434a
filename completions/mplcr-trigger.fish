# SPDX-License-Identifier: MIT
# fish completion for mplcr-trigger

complete -c mplcr-trigger -f
complete -c mplcr-trigger -s s -l socket -r -F -d "The VM's QMP socket"
complete -c mplcr-trigger -s n -l name -x -d 'Name of the checkpoint'
complete -c mplcr-trigger -s d -l dir -x -a '(__fish_complete_directories)' -d 'Where the checkpoint and the overlays go'
complete -c mplcr-trigger -l layout -x -a 'pages\t"Sparse files, restores lazily" stream\t"One file"' -d 'How memory is stored'
complete -c mplcr-trigger -l compress -x -a 'zstd zstd:1 zstd:3 zstd:9 zstd:19' -d 'Compress the stream'
complete -c mplcr-trigger -l disks -x -a 'overlay\t"Freeze under new overlays" none\t"Freeze no disk"' -d 'What is done with the disks'
complete -c mplcr-trigger -l device -x -d 'Freeze only this disk: DEV or DEV=FILE'
complete -c mplcr-trigger -l leave-out -x -d 'Do not freeze this writable disk'
complete -c mplcr-trigger -s e -l engine -x -a 'auto background precopy stop' -d 'How memory is saved'
complete -c mplcr-trigger -l max-bandwidth -x -d 'Bytes per second at most (K, M, G, T)'
complete -c mplcr-trigger -l max-pause -x -d 'Milliseconds: give up rather than pause longer'
complete -c mplcr-trigger -l passes -x -d 'Precopy: passes before the pause may grow'
complete -c mplcr-trigger -l accept-unsafe-precopy -d 'Precopy even where QEMU is known to lose guest writes'
complete -c mplcr-trigger -s t -l timeout -x -d 'Seconds: give up after this time'
complete -c mplcr-trigger -l leave-paused -d 'Leave the VM paused at the instant of the checkpoint'
complete -c mplcr-trigger -l dry-run -d 'Check everything and say what would be done'
complete -c mplcr-trigger -s j -l json -d 'Print the manifest as JSON'
complete -c mplcr-trigger -s q -l quiet -d 'Print no progress and no notes'
complete -c mplcr-trigger -l progress -x -a 'always never auto' -d 'Show a progress line'
complete -c mplcr-trigger -s h -l help -d 'Print the options'
complete -c mplcr-trigger -s V -l version -d 'Print the version'
