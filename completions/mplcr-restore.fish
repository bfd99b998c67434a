# SPDX-License-Identifier: MIT
# fish completion for mplcr-restore

complete -c mplcr-restore -f
complete -c mplcr-restore -a '(__fish_complete_directories (commandline -ct) Checkpoint)'
complete -c mplcr-restore -s l -l lazy -d "Run at once on the checkpoint's memory file"
complete -c mplcr-restore -s e -l eager -d 'Load the whole memory before the guest runs'
complete -c mplcr-restore -s p -l paused -d 'Load the state, but do not let the guest run'
complete -c mplcr-restore -s t -l timeout -x -d 'Seconds: give up after this time'
complete -c mplcr-restore -s r -l receiver -r -F -d 'QMP socket of the QEMU that the state was sent to'
complete -c mplcr-restore -s n -l name -x -d 'Name of the run and of the VM'
complete -c mplcr-restore -s d -l dir -x -a '(__fish_complete_directories)' -d 'Where the run directory is made'
complete -c mplcr-restore -s s -l socket -r -F -d 'QMP socket of the new VM'
complete -c mplcr-restore -s F -l foreground -d 'Stay until QEMU ends'
complete -c mplcr-restore -l print -d 'Make nothing, print the commands'
complete -c mplcr-restore -l verify -d 'Compare the sums of all files'
complete -c mplcr-restore -s f -l force -d 'Go on although an image was changed or QEMU is older'
complete -c mplcr-restore -s j -l json -d 'Print one JSON object'
complete -c mplcr-restore -s q -l quiet -d 'Print no progress and no notes'
complete -c mplcr-restore -l progress -x -a 'always never auto' -d 'Show a progress line'
complete -c mplcr-restore -s h -l help -d 'Print the options'
complete -c mplcr-restore -s V -l version -d 'Print the version'
