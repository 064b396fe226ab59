/* journal_heir.h - what this process's journals hold, told to the process that takes
 * over from it.
 *
 *     journal --note--> its stream --send, at the end of a turn--> the heir
 *
 * A journal that is bequeathed (journal.h) tells its stream all that it holds, and
 * from then on all that is put. When journal_heir_send() has returned true the heir
 * has been sent everything that was noted before, so whatever is sent to it later is
 * behind that. What is delivered is not told: the heir delivers it again, which is
 * harmless.
 *
 * A message is about one node: a header and records as in journal_record.h. If the
 * system has no memory for a note, the node's keys are made up for by a flush.
 *
 * Any thread. Locks: the journal's, then the heir's, then those of `send`. */
#pragma once
#include "common/net/handover_link.h"
#include "proxy/journal_record.h"

struct journal_heir;
struct journal_stream;

/* Never waits. `body` has at most JOURNAL_HEIR_MESSAGE bytes. */
typedef enum handover_send journal_heir_send_fn(void *arg, struct span body);
#define JOURNAL_HEIR_MESSAGE HANDOVER_BODY_MAX

struct journal_heir *journal_heir_create(journal_heir_send_fn *send, void *arg);
/* No journal has a stream of it any more. */
void journal_heir_destroy(struct journal_heir **heir);

/* A stream for the journal of the node `owner` (journal_owner()), until the heir's
 * end. */
struct journal_stream *journal_heir_open(struct journal_heir *heir, struct span owner);

/* Of what changes a journal only PUT and FLUSH_SOME are told. Under the journal's lock. */
void journal_stream_note(struct journal_stream *stream, enum journal_record_type type,
                         struct span key);
/* journal_heir_send() of the heir that the stream belongs to. */
bool journal_stream_send(struct journal_stream *stream);

/* Sends what was noted. False if something is left that the kernel has no room for
 * just now; an heir that is gone is owed nothing. */
bool journal_heir_send(struct journal_heir *heir);

/* Is the heir there, and has been sent everything? */
bool journal_heir_has_all(struct journal_heir *heir);
