/* resolver.h - host names looked up by helper threads, so that who serves
 * requests never waits for DNS.
 *
 * An endpoint is a name as it was configured, and the addresses that it had when
 * it was looked up last; a lookup that fails leaves them. IPs and unix sockets
 * stand for themselves and are never looked up.
 *
 * Every function may be called from any thread and none blocks on DNS; one lock
 * covers the resolver and all its endpoints. Both are counted: a lookup that DNS
 * does not let go keeps its endpoint and its thread, and nobody waits for it. */
#pragma once
#include "common/net/addr.h"

#define ENDPOINT_ADDRS_MAX 8
#define RESOLVER_THREADS   4   /* names looked up at a time */
#define RESOLVER_GAP_MS    500 /* between two lookups of a name */

struct resolver;
struct endpoint;

/* As addr_lookup(name, false, ...). */
typedef unsigned resolver_fn(const struct addr_name *name, struct addr *out, unsigned max,
                             const char **error);

/* `lookup` is for tests; NULL asks the system. */
struct resolver *resolver_create(resolver_fn *lookup);
/* Waits 200 ms at most for the threads to end; those that are still asking DNS
 * end by themselves. */
void resolver_destroy(struct resolver **r);

/* Until nothing is being looked up, `ms` have passed, or the resolver was
 * interrupted. */
void resolver_wait(struct resolver *r, uint64_t ms);
/* No wait lasts any longer from here on. */
void resolver_interrupt(struct resolver *r);

struct endpoint *endpoint_create(struct resolver *r, const struct addr_name *name);
struct endpoint *endpoint_ref(struct endpoint *e);
void endpoint_unref(struct endpoint **e);

/* Has the name looked up, unless that is under way or was done a moment ago. */
void endpoint_look_up(struct endpoint *e);

/* How many addresses are known. */
unsigned endpoint_count(struct endpoint *e);

/* The address `at`, counted around; false if none is known. */
bool endpoint_addr(struct endpoint *e, unsigned at, struct addr *out);
