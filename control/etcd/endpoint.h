/* endpoint.h - the members we may ask, and which of their answers to believe.
 *
 * The guard notices a member that belongs to another cluster, or that fell
 * behind its own past (its raft term went down: a restored disk). Such answers
 * are dropped and the next endpoint is asked. Pure. */
#pragma once
#include "control/etcd/decode.h"

#define GUARD_MEMBERS_MAX 32

struct endpoints {
    char **urls; /* "http://host:port", no slash at the end */
    size_t count;
    size_t current; /* where the next unary call goes */
};

/* False and *error (the caller's to free) if a text is no endpoint. */
bool endpoints_init(struct endpoints *e, const char *const *texts, size_t count, char **error);
void endpoints_deinit(struct endpoints *e);

/* `index` did not serve: later calls begin with the one after it. */
void endpoints_failed(struct endpoints *e, size_t index);

struct guard_member {
    uint64_t id;
    uint64_t raft_term;
    uint64_t since_us; /* when this term was first seen */
};

struct guard {
    uint64_t cluster_id; /* 0: not known yet */
    struct guard_member members[GUARD_MEMBERS_MAX];
    size_t member_count;
};

enum guard_result { GUARD_BELIEVED, GUARD_OTHER_CLUSTER, GUARD_OLDER_TERM };

/* Judges and, if believed, remembers. `asked_us` is when the question was sent:
 * an answer may be overtaken by a later one with a higher term, and is still
 * good. A message without a header is believed. */
enum guard_result guard_check(struct guard *g, const struct etcd_header *header, uint64_t asked_us,
                              uint64_t now_us);

/* The owner has accepted a store that went back in time: terms begin anew. */
void guard_forget_terms(struct guard *g);

/* One line for logs. */
const char *guard_text(enum guard_result result);
