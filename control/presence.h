/* presence.h - tells the others that this mfcontrol is there, under a lease:
 * beats name those addresses to followers, which then know where else to go.
 * Loop's thread only. */
#pragma once
#include "control/etcd/etcd.h"
#include "control/inventory.h"

#define PRESENCE_LEASE_TTL_S 15

struct presence;

/* Strings are copied. */
struct presence *presence_create(struct etcd *client, const char *id, const char *address);
/* With `revoke` the others see it at once, if the loop runs on for a moment. */
void presence_destroy(struct presence **p, bool revoke);

/* A JSON array of the addresses of all mfcontrols but `id`; the caller's to
 * free. */
char *presence_others(const struct inventory *inv, const char *id);
