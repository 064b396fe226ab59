/* chaoslink.h - the wire between a proxy and a node, and what may happen to it: a
 * small forwarder, of which a link is one address that a proxy connects to.
 *
 *     proxy ── TCP ──> link ── unix socket ──> node
 *
 * A stalled link is a network that loses every packet: what has been sent stays in
 * the sender's kernel, and arrives when it works again, though the proxy may have
 * closed that connection long before; but a connection that was reset takes its
 * bytes with it. One thread of its own; links are changed by any. */
#pragma once
#include "common/net/addr.h"

#include <stdatomic.h>
#include <stdint.h>

#define CHAOS_LINKS_MAX 64

struct chaos_links;

enum chaos_link_state {
    LINK_OPEN,
    LINK_STALLED, /* nothing passes */
    LINK_MUTE,    /* nothing comes back from the node */
    LINK_DEAF,    /* nothing goes to the node */
    LINK_SLOW,    /* everything takes up to slow_us */
    LINK_SPLIT,   /* a few bytes at a time */
    LINK_REFUSES, /* connections are reset, those there are as well */
};

struct chaos_links *chaos_links_create(uint64_t seed, uint64_t slow_us);
/* Ends the thread. */
void chaos_links_destroy(struct chaos_links **links);

/* A link to the unix socket `path`, before chaos_links_start(). Returns its number,
 * and its port on 127.0.0.1. */
unsigned chaos_link_add(struct chaos_links *links, const char *path, unsigned *port);
void chaos_links_start(struct chaos_links *links);

void chaos_link_set(struct chaos_links *links, unsigned link, enum chaos_link_state state);
/* Resets the connections that there are. */
void chaos_link_cut(struct chaos_links *links, unsigned link);
