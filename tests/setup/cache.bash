# SPDX-License-Identifier: MIT
#
# A folder that is fetched or built once.  Used by the other scripts here.
#
#     cache_begin DIR VERSION...    exits 0 when DIR is there in this version; otherwise takes its lock and goes on
#                                   with an empty $PARTIAL (which is DIR.partial)
#     cache_finish                  puts $PARTIAL in DIR's place, under its final name only when whole
#
# Two that run at once wait for each other; the second finds the work done.  The version is any text that changes
# when the result would.

cache_begin() {
    CACHE=$(realpath -m -- "$1")
    PARTIAL=$CACHE.partial
    CACHE_VERSION="${*:2}"

    cache_is_done && exit 0
    mkdir -p -- "$(dirname -- "$CACHE")"
    exec {cache_lock}>"$CACHE.lock"
    flock "$cache_lock"
    cache_is_done && exit 0
    rm -rf -- "$PARTIAL"
    mkdir -- "$PARTIAL"
}

cache_is_done() {
    [[ -f $CACHE/.version && $(<"$CACHE/.version") == "$CACHE_VERSION" ]]
}

cache_finish() {
    printf '%s\n' "$CACHE_VERSION" >"$PARTIAL/.version"
    rm -rf -- "$CACHE"
    mv -T -- "$PARTIAL" "$CACHE"
}

# The Debian mirror that this system uses, from either kind of sources list.
debian_mirror() {
    local mirror
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -n -E 's#^(deb[[:space:]]+(\[[^]]*\][[:space:]]+)?|URIs:[[:space:]]*)([a-z+]+:[^[:space:]]*/debian)/?([[:space:]].*)?$#\3#p' |
        head -n 1)
    echo "${mirror:-http://deb.debian.org/debian}"
}

# apt with a package list of its own in FOLDER: `private_apt FOLDER SUITE apt-get update`, then download.
# Nothing of the system's apt is read but its configuration, nothing written.
private_apt() {
    local folder=$1 suite=$2
    shift 2
    mkdir -p -- "$folder/lists/partial" "$folder/archives/partial"
    [[ -f $folder/sources.list ]] || printf 'deb [signed-by=%s] %s %s main\n' \
        /usr/share/keyrings/debian-archive-keyring.gpg "$(debian_mirror)" "$suite" >"$folder/sources.list"
    "$1" -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder" -o Dir::Cache::Archives="$folder/archives" \
        -o APT::Sandbox::User= "${@:2}"
}
