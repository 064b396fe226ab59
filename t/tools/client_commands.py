"""Calls the commands of pymemcache and prints what each returned.

    client_commands.py HOST:PORT
"""
import sys

from pymemcache.client.base import Client


def show(name, value):
    print("%s: %r" % (name, value))


def values(c):
    show("set", c.set("a", b"1", noreply=False))
    show("get", c.get("a"))
    show("get of nothing", c.get("nothing"))
    show("add of what is there", c.add("a", b"2", noreply=False))
    show("add", c.add("b", b"2", noreply=False))
    show("replace", c.replace("b", b"3", noreply=False))
    show("replace of nothing", c.replace("nothing", b"3", noreply=False))
    show("append", c.append("b", b"-end", noreply=False))
    show("prepend", c.prepend("b", b"begin-", noreply=False))
    show("get", c.get("b"))
    show("large value", c.set("large", b"x" * 900000, noreply=False))
    show("of length", len(c.get("large")))
    show("any bytes", c.set("bytes", bytes(range(256)) * 4, noreply=False))
    show("are kept", c.get("bytes") == bytes(range(256)) * 4)


def many(c):
    keys = ["many-%d" % i for i in range(200)]
    show("set_many", c.set_many({k: k.encode() for k in keys}, noreply=False))
    found = c.get_many(keys + ["nothing"])
    show("get_many", sorted(found.items()) == sorted((k, k.encode()) for k in keys))
    show("delete_many", c.delete_many(keys[:100], noreply=False))
    show("get_many", len(c.get_many(keys)))


def versions(c):
    value, token = c.gets("a")
    show("gets", value)
    show("cas", c.cas("a", b"7", token, noreply=False))
    show("cas again", c.cas("a", b"8", token, noreply=False))
    show("cas of nothing", c.cas("nothing", b"8", b"1", noreply=False))


def numbers(c):
    show("incr", c.incr("a", 5))
    show("decr", c.decr("a", 100))
    show("incr of nothing", c.incr("nothing", 1))


def ends(c):
    show("touch", c.touch("a", 100, noreply=False))
    show("touch of nothing", c.touch("nothing", 100, noreply=False))
    show("delete", c.delete("a", noreply=False))
    show("delete again", c.delete("a", noreply=False))
    show("flush_all", c.flush_all(noreply=False))
    show("get", c.get("b"))
    c.set("quiet", b"1", noreply=True)
    show("after noreply", c.get("quiet"))
    show("stats", b"pid" in c.stats())


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    c = Client((host, int(port)), timeout=10, connect_timeout=10, no_delay=True)
    for part in (values, many, versions, numbers, ends):
        part(c)
    c.quit()


main()
