/* registrar.h - keeps the registrations of those nodes whose stream is here.
 *
 *     HELLO -> lease (granted, or the one that the node shows) -> nodes/<id>
 *     REPORT healthy -> renewed        silence, hung workers -> not renewed
 *     BYE -> leaving/<id>, and nodes/<id> away, in one step
 *     stream gone -> nothing: the node will show its lease to another mfcontrol
 *
 * A lease that runs out removes nodes/<id> and nothing else: the planner does
 * not touch the ring for it.
 *
 * Loop's thread only. */
#pragma once
#include "control/etcd/etcd.h"
#include "control/metrics.h"
#include "control/session.h"

#define LEAVING_LEASE_TTL_S 600

struct registrar;

/* A node that was not heard for two thirds of `lease_ttl_s` is not renewed. */
struct registrar *registrar_create(struct etcd *client, int64_t lease_ttl_s,
                                   struct metric_block *metrics);
/* Leases are left to run out, or to be shown to another mfcontrol. */
void registrar_destroy(struct registrar **r);

/* A node's session has begun. Returns another session of the same node, which is
 * superseded and must be dropped, or NULL. */
struct session *registrar_add(struct registrar *r, struct session *s);

/* The node says goodbye; its session ends next. */
void registrar_bye(struct registrar *r, struct session *s, bool for_good);

/* The session ends. Harmless if it was superseded. */
void registrar_remove(struct registrar *r, struct session *s);
