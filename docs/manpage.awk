# Turns what `PROGRAM --help` prints into its manual page, so that the two cannot
# say different things. Variables: name, version.
#
#   Usage: NAME SYNOPSIS | summary | Options: | rows | "Names for -o" | rows | epilog

function escape(s)
{
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    sub(/^[.']/, "\\\\\\&&", s)
    return s
}

function heading(s) { print ".SH " toupper(s) }

# "  -f, --trace=FILE     the trace" -> the option in bold, the text below it.
function row(line,    left, at)
{
    sub(/^ +/, "", line)
    at = match(line, /   *[^ ]/)
    left = at ? substr(line, 1, at - 1) : line
    print ".TP\n.B " escape(left)
    if (at) {
        print escape(substr(line, at + RLENGTH - 1))
    }
}

BEGIN { part = "usage" }

part == "usage" {
    synopsis = $0
    sub("^Usage: " name " *", "", synopsis)
    part = "summary"
    next
}

part == "summary" && /^$/ {
    print ".TH " toupper(name) " 1 \"\" \"memfleet " version "\" \"memfleet\""
    heading("name")
    brief = summary
    sub(/\.( .*)?$/, "", brief)
    print name " \\- " escape(brief)
    heading("synopsis")
    print ".B " name "\n" escape(synopsis)
    heading("description")
    print escape(summary)
    part = "between"
    next
}

part == "summary" { summary = summary (summary == "" ? "" : " ") $0; next }

/^Options:$/ { heading("options"); part = "rows"; next }

/^Names for -o/ {
    print ".SH NAMES FOR \\-o, \\-\\-extended"
    print "Several are separated by commas."
    part = "rows"
    next
}

part == "rows" && /^ *-/ { row($0); next }

# The text of a row whose left side was too long for the column.
part == "rows" && /^ / { sub(/^ +/, ""); print escape($0); next }

part == "rows" && /^$/ { part = "between"; next }

part == "between" && !/^$/ { heading("notes"); print ".nf"; part = "notes" }

part == "notes" { print escape($0) }

END {
    if (part == "notes") {
        print ".fi"
    }
    heading("see also")
    print "The documentation of memfleet: README.md and docs/ in its sources."
}
