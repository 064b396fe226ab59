/* ctl.h - mfctl: one family of commands a file, all of them rows of one table.
 *
 * A command writes its answer to stdout, as text or (--json) as one JSON
 * document, and what went wrong to stderr as one line. Exit status: */
#pragma once
#include "common/core/option.h"
#include "control/etcd/etcd_sync.h"
#include "control/etcd_arguments.h"
#include "control/inventory.h"

/* clang-format off */
#define CTL_EXITS(X)                                                                               \
    X(OK,          0,  "done; the answer is yes")                                                  \
    X(NO,          1,  "refused, or the answer is no: it exists already, it differs, it is not healthy") \
    X(USAGE,       64, "the command line is wrong")                                                \
    X(UNAVAILABLE, 69, "etcd did not answer, or did not let us in")

/*    words             arguments (with a blank)      etcd   JSON   function          one sentence */
#define CTL_COMMANDS(X)                                                                            \
    X("init",           "",                           true,  true,  ctl_init,                      \
      "make a cluster: write its identity into an etcd that has none of that name")                \
    X("status",         "",                           true,  true,  ctl_status,                    \
      "show etcd's health, the leader, the table's epoch, and nodes alive and lost")               \
    X("top",            " [HOST:PORT]... [OPTION]...",false, true,  ctl_top,                       \
      "watch what nodes and proxies do now: requests, hits, memory, latency, hot keys, backends")  \
    X("nodes",          "",                           true,  true,  ctl_nodes,                     \
      "list every node: in the table, registered, leaving, waiting and why")                       \
    X("node admit",     " ID [OPTION]...",            true,  true,  ctl_node_admit,                \
      "take in a node that does not register itself (plain memcached), or one that was removed")   \
    X("node remove",    " ID [OPTION]...",            true,  true,  ctl_node_remove,               \
      "order that a node leaves the table; its keys move to the others")                           \
    X("pool create",    " NAME [OPTION]...",          true,  true,  ctl_pool_create,               \
      "order a pool; it is served as soon as enough nodes have registered for it")                 \
    X("pool set",       " NAME [OPTION]...",          true,  true,  ctl_pool_set,                  \
      "change the settings of a pool")                                                             \
    X("pool list",      "",                           true,  true,  ctl_pool_list,                 \
      "list the pools")                                                                            \
    X("pool show",      " NAME",                      true,  true,  ctl_pool_show,                 \
      "show what was ordered for a pool, by whom and why")                                         \
    X("route set",      " PREFIX POOL [OPTION]...",   true,  true,  ctl_route_set,                 \
      "order that keys with a prefix go to a pool")                                                \
    X("route remove",   " PREFIX [OPTION]...",        true,  true,  ctl_route_remove,              \
      "take the route of a prefix away")                                                           \
    X("route list",     "",                           true,  true,  ctl_route_list,                \
      "list the routes that were ordered")                                                         \
    X("table show",     "",                           true,  true,  ctl_table_show,                \
      "show the routing table that is published")                                                  \
    X("table verify",   " FILE",                      false, true,  ctl_table_verify,              \
      "check a routing table's file as a proxy would")                                             \
    X("freeze",         " [OPTION]...",               true,  true,  ctl_freeze,                    \
      "stop all changes of the table: what is published stays")                                    \
    X("thaw",           " [OPTION]...",               true,  true,  ctl_thaw,                      \
      "let the table follow orders and registrations again")                                       \
    X("fence",          " [OPTION]...",               false, true,  ctl_fence,                     \
      "raise min_epoch: nodes refuse proxies that go by an older table")                           \
    X("recover",        " [OPTION]...",               true,  true,  ctl_recover,                   \
      "after a restore of etcd: give the cluster a new incarnation and its newest table")          \
    X("ring explain",   " KEY [OPTION]...",           false, false, ctl_ring_explain,              \
      "show what of a key is hashed, the hash, the ring's point, and the node")                    \
    X("ring verify",    " FILE|- [OPTION]...",        false, false, ctl_ring_verify,               \
      "compare where clients put keys (CSV) with where our rings put them")                        \
    X("help",           " [COMMAND]",                 false, false, ctl_help,                      \
      "print what a command takes")

/*    letter  name     type      field    argument  default  one sentence */
#define CTL_OPTIONS(X)                                                                             \
    ETCD_ARGUMENTS(X)                                                                              \
    X(0,   "json",     BOOL,     json,    "",       NULL,    "answer in JSON; also behind the command")
/* clang-format on */

enum ctl_exit {
#define X(id, number, meaning) CTL_##id = number,
    CTL_EXITS(X)
#undef X
};

struct ctl_options {
    CTL_OPTIONS(OPTION_FIELD)
};

struct ctl {
    struct ctl_options options;
    struct etcd_sync *etcd; /* see ctl_connect() */
    const char *command;    /* its words, e.g. "pool create" */
    const char *arguments;  /* what help says it takes, with a blank */
    bool needs_etcd;        /* whether ctl_parse() connects */
    bool helped;            /* --help was answered: whatever is returned, all is well */
};

typedef enum ctl_exit ctl_fn(struct ctl *ctl, int argc, char **argv);
#define X(words, args, etcd, json, fn, help) ctl_fn fn;
CTL_COMMANDS(X)
#undef X

/* --- what the families share (ctl_common.c) -------------------------------- */

/* "mfctl COMMAND: ..." on stderr. */
void ctl_complain(const struct ctl *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes ctl->etcd of the options; false if they do not suffice. */
bool ctl_connect(struct ctl *ctl);

/* Options and positional arguments of one command: `argv` without the command's
 * words. Positional arguments stand before the options or behind them. */
struct ctl_arguments {
    char **items;
    unsigned count;
};
#define CTL_ANY_ARGUMENTS (~0u)

/* CTL_OK to go on: the command line is right, and ctl->etcd is there if the command needs it.
 * Fails if there are not exactly `want` positional arguments. `table` NULL: the command has no
 * options. */
enum ctl_exit ctl_parse(struct ctl *ctl, const struct option_table *table, int argc, char **argv,
                        void *into, unsigned want, struct ctl_arguments *out);
void ctl_arguments_deinit(struct ctl_arguments *a);

/* Says why the reply is none and which status that means; CTL_OK if it is good. */
enum ctl_exit ctl_check(const struct ctl *ctl, const struct etcd_reply *reply);

/* Everything that etcd has of the cluster. CTL_NO if it was never initialised. */
enum ctl_exit ctl_load(struct ctl *ctl, struct inventory *inv);

/* The same for a command that takes nothing, once its command line is found right. */
enum ctl_exit ctl_look(struct ctl *ctl, int argc, char **argv, struct inventory *inv);

/* The published table; CTL_NO, and said why, if there is none or it is damaged. */
enum ctl_exit ctl_load_table(struct ctl *ctl, const struct inventory *inv, struct table **out);

/* The same; NULL, and nothing is said, if none was published yet. */
struct table *ctl_load_table_if_any(struct ctl *ctl, const struct inventory *inv);

/* Puts `value` (taken over; NULL if a word in it is not UTF-8) under `key` if that is as `item`
 * says (NULL: it does not exist), and reads it back if the answer was lost. */
enum ctl_exit ctl_write(struct ctl *ctl, const struct inventory *inv, struct key key,
                        const struct inventory_item *item, json_t *value);

/* "not followed ..." if the leader cannot follow what is ordered now: who gave an order hears it
 * at once. (ctl_fleet.c) */
void ctl_print_refusals(struct ctl *ctl);

/* Prints and releases. */
void ctl_print_json(json_t *json);

/* Who gives the order, if --by does not say: user@host. The caller's to free. */
char *ctl_whoami(void);

/* 128 random bits in hex: a cluster's uuid or incarnation. The caller's to free. */
char *ctl_random_id(void);
