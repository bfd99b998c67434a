# SPDX-License-Identifier: MIT
# The fenced blocks and scenes of a Markdown file, each a file of its own in dir: NUMBER-LINE.KIND

/^<!-- scene: [a-z0-9]+ -->$/ {
	file = sprintf("%s/%03d-%d.scene", dir, ++n, NR)
	print $3 >file
	close(file)
	next
}
# A fence may be indented with the list that it belongs to.
/^ *```/ {
	if (inside) {
		close(file)
		inside = 0
	} else {
		match($0, /^ */)
		indent = RLENGTH
		kind = substr($0, indent + 4)
		sub(/ .*/, "", kind)
		file = sprintf("%s/%03d-%d.%s", dir, ++n, NR, kind == "" ? "unmarked" : kind)
		printf "" >file
		inside = 1
	}
	next
}
inside { print substr($0, indent + 1) >file }
END { if (inside) print "the block is not closed" >(sprintf("%s/%03d-%d.unclosed", dir, ++n, NR)) }
