"""Replays a part of a trace with pymemcache: get, and set on a miss.

    client_replay.py HOST:PORT TRACE FROM COUNT

Keys are those of mfreplay. A value must begin with its key; what we store does,
and so does what mfreplay stores.
"""
import struct
import sys

from pymemcache.client.base import Client


def main():
    addr, trace, start, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    host, port = addr.rsplit(":", 1)
    with open(trace, "rb") as f:
        f.seek(4 * start)
        ids = struct.unpack(">%dI" % count, f.read(4 * count))
    client = Client((host, int(port)), timeout=10, connect_timeout=10, no_delay=True)
    hits = wrong = 0
    for number in ids:
        key = "t:%08x" % number
        value = client.get(key)
        if value is None:
            client.set(key, key + " by pymemcache", noreply=False)
            continue
        hits += 1
        if not value.startswith(key.encode()):
            wrong += 1
    client.close()
    print("requests=%d hits=%d wrong=%d" % (count, hits, wrong))


main()
