"""The steps of t/fleet/client_matrix.t by a Python client.

    matrix.py pymemcache|pylibmc|python-memcached HOST PORT up|dead
"""
import sys

NOT_OFFERED = object()


class Pymemcache:
    def __init__(self, host, port):
        from pymemcache.client.base import Client
        from pymemcache.exceptions import MemcacheError
        self.c, self.errors = Client((host, port), timeout=10, connect_timeout=10), (MemcacheError,)

    def set(self, k, v): return self.c.set(k, v, noreply=False)
    def get(self, k): return self.c.get(k)
    def multiget(self, keys): return self.c.get_many(keys)
    def add(self, k, v): return self.c.add(k, v, noreply=False)
    def replace(self, k, v): return self.c.replace(k, v, noreply=False)
    def append(self, k, v): return self.c.append(k, v, noreply=False)
    def prepend(self, k, v): return self.c.prepend(k, v, noreply=False)
    def incr(self, k, n): return self.c.incr(k, n)
    def decr(self, k, n): return self.c.decr(k, n)
    def gets(self, k): return self.c.gets(k)[1]
    def cas(self, k, v, token): return self.c.cas(k, v, token, noreply=False)
    def touch(self, k, ttl): return self.c.touch(k, ttl, noreply=False)

    def gat(self, k, ttl): # since 3.6
        return self.c.gat(k, ttl) if hasattr(self.c, "gat") else NOT_OFFERED

    def noreply(self, k, v): self.c.set(k, v, noreply=True)
    def delete(self, k): return self.c.delete(k, noreply=False)


class Pylibmc:
    def __init__(self, host, port):
        import pylibmc
        self.c = pylibmc.Client(["%s:%s" % (host, port)], behaviors={"cas": True})
        self.errors, self.missing = (pylibmc.Error,), pylibmc.NotFound

    def set(self, k, v): return self.c.set(k, v)
    def get(self, k): return self.c.get(k)
    def multiget(self, keys): return self.c.get_multi(keys)
    def add(self, k, v): return self.c.add(k, v)
    def replace(self, k, v): return self.c.replace(k, v)
    def append(self, k, v): return self.c.append(k, v)
    def prepend(self, k, v): return self.c.prepend(k, v)

    def incr(self, k, n):
        try:
            return self.c.incr(k, n)
        except self.missing:
            return None

    def decr(self, k, n): return self.c.decr(k, n)
    def gets(self, k): return self.c.gets(k)[1]

    def cas(self, k, v, token): return self.c.cas(k, v, token)
    def touch(self, k, ttl): return self.c.touch(k, ttl)
    def gat(self, k, ttl): return NOT_OFFERED
    def noreply(self, k, v): return NOT_OFFERED
    def delete(self, k): return self.c.delete(k)


class PythonMemcached:
    def __init__(self, host, port):
        import memcache
        self.c = memcache.Client(["%s:%s" % (host, port)], cache_cas=True, socket_timeout=10,
                                 server_max_value_length=1 << 20)
        self.errors = ()

    def set(self, k, v): return self.c.set(k, v)
    def get(self, k): return self.c.get(k)
    def multiget(self, keys): return self.c.get_multi(keys)
    def add(self, k, v): return self.c.add(k, v)
    def replace(self, k, v): return self.c.replace(k, v)
    def append(self, k, v): return self.c.append(k, v)
    def prepend(self, k, v): return self.c.prepend(k, v)
    def incr(self, k, n): return self.c.incr(k, n)
    def decr(self, k, n): return self.c.decr(k, n)

    def gets(self, k):
        self.c.reset_cas()
        self.c.gets(k)
        return self.c.cas_ids[k.encode()]

    def cas(self, k, v, token):
        self.c.cas_ids[k.encode()] = token
        return self.c.cas(k, v)

    def touch(self, k, ttl): return self.c.touch(k, ttl)
    def gat(self, k, ttl): return NOT_OFFERED
    def noreply(self, k, v): self.c.set(k, v, noreply=True)

    # It takes NOT_FOUND for success; asked in detail, it says which it was.
    def delete(self, k): return self.c.delete(k)


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def told(step, value):
    print("%s: %s" % (step, value))


def done(step, value):
    told(step, "not offered" if value is NOT_OFFERED else "ok" if value else "refused")


def found(step, value):
    told(step, "not offered" if value is NOT_OFFERED
         else "none" if value is None else text(value))


def everything(c):
    done("set", c.set("a", b"alpha"))
    found("get", c.get("a"))
    found("get of nothing", c.get("nothing"))
    c.set("b", b"beta")
    c.set("c", b"gamma")
    many = c.multiget(["a", "b", "c", "nothing"])
    told("multiget", " ".join("%s=%s" % (k, text(many[k])) for k in sorted(many)))
    done("add of what is there", c.add("a", b"x"))
    done("add", c.add("d", b"x"))
    done("replace", c.replace("d", b"delta"))
    done("replace of nothing", c.replace("nothing", b"x"))
    done("append", c.append("d", b"]"))
    done("prepend", c.prepend("d", b"["))
    found("joined", c.get("d"))
    c.set("n", b"10")
    found("incr", c.incr("n", 5))
    found("decr", c.decr("n", 20))
    found("incr of nothing", c.incr("nothing", 1))
    token = c.gets("b")
    done("cas", c.cas("b", b"beta2", token))
    done("cas again", c.cas("b", b"beta3", token))
    done("touch", c.touch("a", 100))
    done("touch of nothing", c.touch("nothing", 100))
    found("gat", c.gat("a", 100))
    c.set("large", b"x" * 700000)
    told("large", len(c.get("large")))
    every = bytes(range(256))
    c.set("bytes", every)
    told("bytes", "same" if c.get("bytes") == every else "other")
    if c.noreply("quiet", b"kept") is NOT_OFFERED:
        told("noreply", "not offered")
    else:
        found("noreply", c.get("quiet"))
    done("delete", c.delete("a"))
    done("delete again", c.delete("a"))
    found("gone", c.get("a"))


def one_is_dead(c):
    keys = ["dead-%d" % i for i in range(60)]
    stored, counts = [], {"read errors": 0, "hits": 0, "delete errors": 0}
    for k in keys:
        try:
            if c.set(k, k.encode()):
                stored.append(k)
        except c.errors:
            pass
    for k in keys:
        try:
            counts["hits"] += c.get(k) == k.encode()
        except c.errors:
            counts["read errors"] += 1
    told("stored", len(stored))
    told("hits", counts["hits"])
    try:
        told("multiget", len(c.multiget(keys)))
    except c.errors as e:
        told("multiget", repr(e))
    for k in keys:
        try:
            c.delete(k)
        except c.errors:
            counts["delete errors"] += 1
    told("read errors", counts["read errors"])
    told("delete errors", counts["delete errors"])
    done("afterwards", c.set(stored[0], b"again") and c.get(stored[0]) == b"again")


clients = {"pymemcache": Pymemcache, "pylibmc": Pylibmc, "python-memcached": PythonMemcached}
client = clients[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
(everything if sys.argv[4] == "up" else one_is_dead)(client)
