# SPDX-License-Identifier: MIT
# The displayed commands and scenes of an mdoc page, each a file of its own in dir: NUMBER-LINE.KIND
# Under EXAMPLES and PIPELINES every display is one, elsewhere those that begin with "$ "; but for one after a line
# `.\" no example: REASON`.

function plain(line) {
	gsub(/\\e/, "\\", line)
	gsub(/\\-/, "-", line)
	gsub(/\\&/, "", line)
	return line
}
function begin() {
	file = sprintf("%s/%03d-%d.sh", dir, ++n, NR)
	printf "" >file
}
function command(line) {
	sub(/^\$ /, "", line)
	print line >file
}
function wanted(line) { return !skip && (section == "EXAMPLES" || section == "PIPELINES" || line ~ /^\$ /) }

/^\.Sh / { section = $2 }
/^\.\\" scene: [a-z0-9]+$/ {
	file = sprintf("%s/%03d-%d.scene", dir, ++n, NR)
	print $3 >file
	close(file)
	next
}
/^\.\\" no example: ./ { skip = 1; next }
/^\.Dl / {
	line = plain(substr($0, 5))
	if (wanted(line)) {
		begin()
		command(line)
		close(file)
	}
	next
}
/^\.Bd .*-literal/ { display = 1; first = 1; next }
/^\.Ed/ { skip = 0 }
/^\.Ed/ { if (display && !first) close(file); display = 0; shown = 0; next }
display {
	line = plain($0)
	if (first) {
		first = 0
		shown = wanted(line)
		if (shown)
			begin()
	}
	if (shown)
		command(line)
}
