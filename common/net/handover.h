/* handover.h - what an old process and the new one that replaces it say to each
 * other over a unix socket. Pure: bytes only; handover_link.h moves them, and the
 * descriptors that go with them.
 *
 *     new -> old   HELLO     which program it is
 *     old -> new   OFFER     the sockets and the table, a descriptor each
 *                  REFUSED   or a sentence why not
 *     new -> old   READY     it serves; until here the old one goes on as ever. The body is
 *                            "health" if it understands HEALTH
 *     old -> new   HEALTH    that a node looks DOWN (proxy/health_heir.h); any number
 *                  JOURNAL   what a node has not had yet (proxy/journal_heir.h); any number,
 *                            also later
 *                  DRAINING  it accepts no more
 *                  CLIENT    a connection that was idle, with its descriptor; and again. The
 *                            body says by which address it came (proxy/frontend.h)
 *
 * A message is eight bytes and a body: "MFH", type, version and length of the
 * body, both of two bytes, the high one first. */
#pragma once
#include "common/core/buf.h"

#include <stdint.h>

#define HANDOVER_VERSION    1 /* moves when old and new could misunderstand each other */
#define HANDOVER_HEAD_BYTES 8
#define HANDOVER_BODY_MAX   32768
#define HANDOVER_ITEMS_MAX  80
#define HANDOVER_NAME_MAX   280 /* with its zero */
#define HANDOVER_TEXT_MAX   160 /* of a program's name, and of a reason */

#define HANDOVER_WANTS_HEALTH "health"

#define HANDOVER_TYPES(X)                                                                          \
    X(HELLO, 'H', "HELLO")                                                                         \
    X(OFFER, 'O', "OFFER")                                                                         \
    X(REFUSED, 'X', "REFUSED")                                                                     \
    X(READY, 'R', "READY")                                                                         \
    X(JOURNAL, 'J', "JOURNAL")                                                                     \
    X(HEALTH, 'N', "HEALTH")                                                                       \
    X(DRAINING, 'D', "DRAINING")                                                                   \
    X(CLIENT, 'C', "CLIENT")

enum handover_type {
#define X(id, letter, name) HANDOVER_##id = letter,
    HANDOVER_TYPES(X)
#undef X
};

/* "unknown" for what is none. */
const char *handover_type_name(unsigned type);

struct handover_message {
    unsigned type; /* of HANDOVER_TYPES */
    unsigned version;
    struct span body; /* inside the input */
    size_t bytes;     /* of the whole */
};

enum handover_status {
    HANDOVER_OK,
    HANDOVER_NEED_MORE,
    HANDOVER_BAD, /* whoever wrote this speaks something else */
};

/* The first message of the input. Messages of other versions are parsed, too, so
 * that one can say so. */
enum handover_status handover_parse(struct span input, struct handover_message *out);

/* False if the body is too long or the system has no memory. */
bool handover_put(struct buf *out, enum handover_type type, struct span body);

/* --- OFFER ------------------------------------------------------------------- */

enum handover_kind {
    HANDOVER_LISTENER = 'l', /* of clients or HTTP: the addresses decide who takes it */
    HANDOVER_MEETING = 'm',  /* where the next process will ask */
    HANDOVER_TABLE = 't',    /* the routing table's document, in memory that can be read */
};

struct handover_item {
    enum handover_kind kind;
    char name[HANDOVER_NAME_MAX]; /* the address that the old process was told to bind */
    int fd;                       /* not part of the bytes; -1 when just parsed */
};

struct handover_offer {
    unsigned count;
    struct handover_item items[HANDOVER_ITEMS_MAX];
};

/* Adds an item. The offer must have room, and the name be short enough. */
void handover_add(struct handover_offer *offer, enum handover_kind kind, const char *name, int fd);

/* The body; false if the system has no memory. */
bool handover_put_offer(struct buf *out, const struct handover_offer *offer);

/* False if that is no offer. */
bool handover_parse_offer(struct span body, struct handover_offer *out);
