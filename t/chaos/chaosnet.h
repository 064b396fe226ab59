/* chaosnet.h - wires as the kernel makes them: a network namespace of the run's own,
 * in which each pair of a proxy and a node has an address, and nftables that drop
 * what comes to it or from it.
 *
 *     proxy ── TCP to 127.1.<proxy>.<node> ──> node, which listens on all addresses
 *
 * What is dropped is lost as on a network: nobody is told, the sender's kernel sends
 * it again, later and later, and may still do so when the program has long closed
 * that connection. One way may be lost without the other. The namespace, and with it
 * everything here, ends with the program's last process. Main thread only. */
#pragma once
#include "t/chaos/chaoslink.h"

#define CHAOS_NET_MAX 8 /* proxies, and nodes */

struct chaos_net;

/* Puts the process into a namespace of its own; before it has threads. Returns why
 * not, or NULL. */
const char *chaos_net_enter(void);

/* Starts nft, whose complaints go to the file `log`; exits the program if it cannot. */
struct chaos_net *chaos_net_create(const char *log);
/* False if it has complained. */
bool chaos_net_destroy(struct chaos_net **net);

#define CHAOS_NET_ADDR_MAX 24
/* The host of this pair's address. */
void chaos_net_host(char out[CHAOS_NET_ADDR_MAX], unsigned proxy, unsigned node);

/* Any state but LINK_SLOW and LINK_SPLIT. */
void chaos_net_set(struct chaos_net *net, unsigned proxy, unsigned node,
                   enum chaos_link_state state);
/* Whatever is sent in the next CHAOS_NET_CUT_MS is answered by a reset. */
#define CHAOS_NET_CUT_MS 20
void chaos_net_cut(struct chaos_net *net, unsigned proxy, unsigned node);
