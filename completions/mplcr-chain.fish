# SPDX-License-Identifier: MIT
# fish completion for mplcr-chain

complete -c mplcr-chain -n __fish_use_subcommand -f -a walk -d 'The images of a chain, top first'
complete -c mplcr-chain -n __fish_use_subcommand -f -a verify -d 'Find what is wrong with chains and checkpoints'
complete -c mplcr-chain -n __fish_use_subcommand -f -a seal -d 'Record what images are now'
complete -c mplcr-chain -n __fish_use_subcommand -f -a tree -d 'All images below a directory'
complete -c mplcr-chain -n __fish_use_subcommand -f -a usage -d 'What each layer stores and hides'
complete -c mplcr-chain -n __fish_use_subcommand -f -a shorten -d 'Merge layers of a chain'
complete -c mplcr-chain -n __fish_use_subcommand -f -a prune -d 'Drop old checkpoints'
complete -c mplcr-chain -n __fish_use_subcommand -f -a relocate -d 'Move or copy as a whole'
# walk, verify
complete -c mplcr-chain -s d -l max-depth -x -n '__fish_seen_subcommand_from walk verify' -d 'Images that a chain may have'
complete -c mplcr-chain -s 0 -l null -n '__fish_seen_subcommand_from walk verify seal' -d 'Paths end with NUL'
complete -c mplcr-chain -s j -l json -n '__fish_seen_subcommand_from walk verify tree usage shorten prune relocate' -d 'Print JSON'
complete -c mplcr-chain -s t -l trust-paths -n '__fish_seen_subcommand_from verify' -d 'Open files outside of the tree'
complete -c mplcr-chain -l follow-remote -n '__fish_seen_subcommand_from verify' -d 'Ask QEMU for images that are not local files'
complete -c mplcr-chain -s S -l sums -n '__fish_seen_subcommand_from verify' -d 'Compare sums of the files of a checkpoint'
complete -c mplcr-chain -s s -l strict -n '__fish_seen_subcommand_from verify' -d 'A warning is a fault'
complete -c mplcr-chain -s D -l deep -n '__fish_seen_subcommand_from verify' -d 'Read the whole of each image'
complete -c mplcr-chain -s T -l timeout -x -n '__fish_seen_subcommand_from verify' -d 'Seconds: longest time for an image'
# seal
complete -c mplcr-chain -l digest -n '__fish_seen_subcommand_from seal' -d 'Record a sum of what a guest reads'
complete -c mplcr-chain -s r -l read-only -n '__fish_seen_subcommand_from seal' -d 'Take away the right to write'
complete -c mplcr-chain -s f -l force -n '__fish_seen_subcommand_from seal' -d 'Replace a seal that is there'
# tree
complete -c mplcr-chain -l dot -n '__fish_seen_subcommand_from tree' -d 'Print a graph for dot'

# usage

# shorten, prune
complete -c mplcr-chain -s k -l keep -x -n '__fish_seen_subcommand_from shorten prune' -d 'Images, or checkpoints, that stay'
complete -c mplcr-chain -s s -l socket -r -n '__fish_seen_subcommand_from shorten prune' -d 'QMP socket of the VM that does the work'
complete -c mplcr-chain -s i -l into -r -n '__fish_seen_subcommand_from shorten' -d 'Merge into that image of the chain'
complete -c mplcr-chain -s l -l leave -n '__fish_seen_subcommand_from shorten' -d 'Leave the files of merged layers'

# prune
complete -c mplcr-chain -s w -l keep-within -x -n '__fish_seen_subcommand_from prune' -d 'Keep checkpoints that are not older'
complete -c mplcr-chain -s n -l dry-run -n '__fish_seen_subcommand_from prune' -d 'Only say what would be done'

# relocate
complete -c mplcr-chain -s t -l to -x -a '(__fish_complete_directories)' -n '__fish_seen_subcommand_from relocate' -d 'The directory that it goes to'
complete -c mplcr-chain -s c -l copy -n '__fish_seen_subcommand_from relocate' -d 'Copy; what is there stays'

# all verbs
complete -c mplcr-chain -s q -l quiet -d 'Print no progress and no notes'
complete -c mplcr-chain -l progress -x -a 'always never auto' -d 'Show a progress line'
complete -c mplcr-chain -s h -l help -d 'Print the options'
complete -c mplcr-chain -s V -l version -d 'Print the version'
