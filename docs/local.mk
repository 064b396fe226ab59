# Manual pages are made from --help, so that they list the options there are.
EXTRA_DIST += docs/manpage.awk
