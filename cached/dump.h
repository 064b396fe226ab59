/* dump.h - `lru_crawler metadump` and `mgdump`, a line for every item, and `stats
 * sizes`, which counts them.
 *
 *     conn's turn -> dump_step: one slice of the table -> outbox -> send -> yield
 *
 * A dump is a state of its connection. In each of its turns the connection lists
 * one slice of the table and then stands behind the others of its worker, so a
 * dump of any size delays a request of somebody else by one slice. A client that
 * reads slowly stops its own dump: nothing is listed while the connection has
 * too much unsent (conn_blocked()), so a dump holds at most CONN_OUTPUT_MAX and
 * one slice. Any number of dumps may run at once.
 *
 * An item that is there from the beginning of the dump to its end is listed
 * once; one that comes or goes meanwhile may be.
 *
 * Thread: the connection's worker. */
#pragma once
#include "cached/conn.h"

enum dump_kind {
    DUMP_METADUMP, /* key=.. exp=.. la=.. cas=.. fetch=.. cls=.. size=.., then END */
    DUMP_MGDUMP,   /* mg <key>, ready to be sent back as a command, then EN */
    DUMP_SIZES,    /* nothing; at the end STAT <bytes> <items> for each size, then END */
};

/* Begins with "OK", but for DUMP_SIZES. Lists items of these classes (bits 1 <<
 * store_band_of()). */
void dump_begin(struct conn *c, enum dump_kind kind, uint64_t classes);

/* Lists the next slice. Sets c->dump to NULL behind the last. */
void dump_step(struct conn *c);

/* The connection closes; one without a dump is allowed. */
void dump_end(struct conn *c);
