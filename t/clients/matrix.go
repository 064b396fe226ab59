// The steps of t/fleet/client_matrix.t by gomemcache.
//
//	matrix HOST PORT up|dead
package main

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

var c *memcache.Client

func told(step string, value interface{}) { fmt.Printf("%s: %v\n", step, value) }

// Refusals are what a server says of a key; all else is an error.
func done(step string, err error) {
	switch err {
	case nil:
		told(step, "ok")
	case memcache.ErrNotStored, memcache.ErrCacheMiss, memcache.ErrCASConflict:
		told(step, "refused")
	default:
		told(step, err)
	}
}

func get(key string) string {
	it, err := c.Get(key)
	if err == memcache.ErrCacheMiss {
		return "none"
	}
	if err != nil {
		return err.Error()
	}
	return string(it.Value)
}

func number(n uint64, err error) string {
	if err == memcache.ErrCacheMiss {
		return "none"
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(n)
}

func item(key, value string) *memcache.Item {
	return &memcache.Item{Key: key, Value: []byte(value)}
}

func everything() {
	done("set", c.Set(item("a", "alpha")))
	told("get", get("a"))
	told("get of nothing", get("nothing"))
	c.Set(item("b", "beta"))
	c.Set(item("c", "gamma"))
	many, _ := c.GetMulti([]string{"a", "b", "c", "nothing"})
	var pairs []string
	for k, it := range many {
		pairs = append(pairs, k+"="+string(it.Value))
	}
	sort.Strings(pairs)
	told("multiget", strings.Join(pairs, " "))
	done("add of what is there", c.Add(item("a", "x")))
	done("add", c.Add(item("d", "x")))
	c.Set(item("n", "10"))
	told("incr", number(c.Increment("n", 5)))
	told("decr", number(c.Decrement("n", 20)))
	told("incr of nothing", number(c.Increment("nothing", 1)))
	first, _ := c.Get("b")
	second, _ := c.Get("b")
	first.Value, second.Value = []byte("beta2"), []byte("beta3")
	done("cas", c.CompareAndSwap(first))
	done("cas again", c.CompareAndSwap(second))
	c.Set(item("large", strings.Repeat("x", 700000)))
	told("large", len(get("large")))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	c.Set(&memcache.Item{Key: "bytes", Value: every})
	it, _ := c.Get("bytes")
	told("bytes", map[bool]string{true: "same", false: "other"}[bytes.Equal(it.Value, every)])
	done("delete", c.Delete("a"))
	done("delete again", c.Delete("a"))
	told("gone", get("a"))
}

func oneIsDead() {
	var keys, stored []string
	for i := 0; i < 60; i++ {
		keys = append(keys, fmt.Sprintf("dead-%d", i))
	}
	hits, readErrors, deleteErrors := 0, 0, 0
	for _, k := range keys {
		if c.Set(item(k, k)) == nil {
			stored = append(stored, k)
		}
	}
	for _, k := range keys {
		switch get(k) {
		case k:
			hits++
		case "none":
		default:
			readErrors++
		}
	}
	told("stored", len(stored))
	told("hits", hits)
	many, err := c.GetMulti(keys)
	if err != nil {
		told("multiget", err)
	} else {
		told("multiget", len(many))
	}
	for _, k := range keys {
		if err := c.Delete(k); err != nil && err != memcache.ErrCacheMiss {
			deleteErrors++
		}
	}
	told("read errors", readErrors)
	told("delete errors", deleteErrors)
	done("afterwards", c.Set(item(stored[0], "again")))
}

func main() {
	c = memcache.New(os.Args[1] + ":" + os.Args[2])
	c.Timeout = 10 * time.Second
	if os.Args[3] == "up" {
		everything()
	} else {
		oneIsDead()
	}
}
