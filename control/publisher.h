/* publisher.h - writes one table into etcd, fenced.
 *
 *     txn: if  ctl/leader's create_revision is our token      (nobody follows us)
 *          and table/head is as we read it                     (nobody was faster)
 *          and meta is as we read it                           (no new incarnation)
 *        then  head, parts that changed, history, old history away
 *
 * One step: no reader ever sees half of it, and a leader that was stalled and
 * replaced writes nothing. If the answer is lost the head is read again until
 * it is known which of the two happened.
 *
 * Loop's thread only. */
#pragma once
#include "control/document.h"
#include "control/etcd/election.h"
#include "control/inventory.h"
#include "control/metrics.h"

/* clang-format off */
#define PUBLISH_OUTCOMES(X)                                                                        \
    X(DONE,   "done")   /* it is the table in etcd now */                                          \
    X(FENCED, "fenced") /* somebody else leads, or published first; nothing was written */         \
    X(FAILED, "failed") /* nothing was written; trying again may help */
/* clang-format on */

enum publish_outcome {
#define X(id, name) PUBLISH_##id,
    PUBLISH_OUTCOMES(X)
#undef X
};
const char *publish_outcome_name(enum publish_outcome outcome);

struct publisher;

/* Never called from inside publisher_start(). */
typedef void publisher_fn(void *arg, enum publish_outcome outcome, const char *detail);

struct publisher *publisher_create(struct etcd *client, struct election *election,
                                   struct metric_block *metrics, publisher_fn *done, void *arg);
/* A publication under way may still happen; done() does not come. */
void publisher_destroy(struct publisher **p);

bool publisher_is_busy(const struct publisher *p);

/* Not while busy. `document` follows the head that `inv` has; it is read before
 * this returns. False and a sentence in `error` (DOCUMENT_ERROR_MAX bytes) if
 * it is more than etcd takes at once; done() does not come then. */
bool publisher_start(struct publisher *p, const struct inventory *inv,
                     const struct document *document, uint64_t epoch, char *error);
