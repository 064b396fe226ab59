/* exec.h - what the commands do: a parsed request in, store steps, a reply in
 * the connection's outbox. Commands with a value are in ingest.h.
 *
 * Thread: the connection's worker. */
#pragma once
#include "cached/conn.h"

/* get, gets, gat, gats: answers keys until all are answered or the outbox is
 * full; c->get says which. `keys` is what remains of the line's keys. */
void exec_get(struct conn *c, struct span keys);
/* The plain gets or the plain multiget (request_plain.h) that `input` begins with,
 * as many as are served in one go and no more than *requests, from which they are subtracted.
 * Returns their bytes; 0 if there is none. */
size_t exec_plain_gets(struct conn *c, struct span input, uint64_t *requests);
void exec_delete(struct conn *c, const struct request *r);
void exec_arith(struct conn *c, const struct request *r);
void exec_touch(struct conn *c, const struct request *r);

void exec_meta_get(struct conn *c, const struct request *r);
/* As exec_plain_gets(), for the plain mgs. Those that come up against something
 * that exec_meta_get() must do end a group, or there is none. */
size_t exec_plain_mgs(struct conn *c, struct span input, uint64_t *requests);
void exec_meta_delete(struct conn *c, const struct request *r);
void exec_meta_arith(struct conn *c, const struct request *r);
void exec_meta_noop(struct conn *c);
void exec_meta_debug(struct conn *c, const struct request *r);

/* version, stats, flush_all and all the others. May set c->closing. */
void exec_admin(struct conn *c, const struct request *r);
void exec_lru_crawler(struct conn *c, const struct request *r);
void exec_hotkeys(struct conn *c, const struct request *r);
/* In fencing.c. */
void exec_epoch(struct conn *c, const struct request *r);

/* The workers' sketches of hot keys; the caller's to free. Any thread. */
struct hotkeys **node_sketches(const struct node *node);

struct words;
enum proto_error exec_lru(struct tuning *t, const struct words *w);
enum proto_error exec_slabs(struct tuning *t, const struct words *w);
