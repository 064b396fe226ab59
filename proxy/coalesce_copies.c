#include "proxy/coalesce_copies.h"
#include "proxy/backend.h"
#include "proxy/fanout.h"
#include "proxy/hedge.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/tail_estimate.h"
#include "proxy/way.h"
#include "proxy/write_marks.h"

/* Copies are asked in meta, which says whether there is one; not for their names. */
static uint8_t
form_at_copy(uint8_t form)
{
    uint8_t with_cas = form & FORM_CAS;
    return form & FORM_META ? form & ~FORM_KEY
                            : (uint8_t)(FORM_META | FORM_VALUE | FORM_FLAGS | with_cas);
}

/* What is asked by such a way, and the command that it is. */
static uint8_t
form_by_way(uint8_t form, const struct way_to_copy *to)
{
    return to->owner ? form : form_at_copy(form) | (to->cas != 0 ? FORM_CAS : 0);
}

static struct leg *
queue_by_way(struct worker *w, struct flight *f, const struct way_to_copy *to, size_t mark)
{
    enum proto_command cmd = to->owner ? coalesce_command_of(f->at.form) : CMD_MG;
    struct leg *leg = way_queue_fetch(&to->way, w, cmd, mark);
    leg->lead.flight = f;
    return leg;
}

/* A flight to a copy. NULL, and nothing is done, if there are too many or the
 * system has no memory. */
static struct flight *
fly_to_copy(struct worker *w, const struct coalesce_read *read, const struct way_to_copy *to,
            bool shared)
{
    const struct way *way = &to->way;
    size_t mark = backend_mark(way->backend);
    struct flight *f = NULL;
    if (form_put_request(&way->backend->out, form_by_way(read->form, to), to->name)) {
        f = coalesce_open(&w->coalesce, read, way->backend);
    }
    if (f == NULL) {
        backend_undo(way->backend, mark);
        return NULL;
    }
    if (!shared) {
        flight_unlist(&w->coalesce.flights, f);
    }
    f->at_copy = !to->owner;
    f->copy_cas = to->cas;
    f->first = &queue_by_way(w, f, to, mark)->lead;
    hedge_await(&w->hedge, f, way->backend);
    return f;
}

bool
coalesce_read_copy(struct pending *p, const struct coalesce_read *read,
                   const struct way_to_copy *to, struct span ask, bool shared)
{
    struct flight *f = fly_to_copy(p->worker, read, to, shared);
    if (f != NULL) {
        coalesce_keep_ask(p, coalesce_wait_for(p, f, WHOLE), ask);
    }
    return f != NULL;
}

bool
coalesce_read_copy_part(struct pending *p, const struct coalesce_read *read,
                        const struct way_to_copy *to, uint32_t part, bool shared)
{
    struct flight *f = fly_to_copy(p->worker, read, to, shared);
    if (f != NULL) {
        (void)coalesce_wait_for(p, f, part);
    }
    return f != NULL;
}

/* --- asking another, too ------------------------------------------------------------------ */

void
coalesce_keep_other(struct flight *f, const struct lead *lead)
{
    if (lead == f->first) {
        f->first = f->second;
        f->at.target = f->second_target;
        f->at_copy = f->second_at_copy;
        f->copy_cas = f->second_cas;
    }
    f->second = NULL;
}

static bool
somebody_waits(const struct flight *f)
{
    LIST_EACH (link, &f->waiters) {
        if (LIST_ENTRY(link, struct waiter, link)->pending->client != NULL) {
            return true;
        }
    }
    return false;
}

void
coalesce_hedge(struct coalesce *co, struct flight *f)
{
    struct worker *w = co->worker;
    struct backend *slow = (struct backend *)f->at.target;
    struct lookup_key key;
    struct way_to_copy to;
    slow->tail_us = tail_learn(slow->tail_us, true);
    if (!somebody_waits(f) || write_marks_read(w->host->writes, f->at.hash) != f->at.mark ||
        !retry_budget_admits(&w->retry_budget) ||
        !lookup_key_again(w, flight_key_of(f), f->pool_id, &key) ||
        w->roster->pools[key.pool].moves || !fanout_find_other(w, &key, f->at.form, slow, &to)) {
        return;
    }
    size_t mark = backend_mark(to.way.backend);
    if (!form_put_request(&to.way.backend->out, form_by_way(f->at.form, &to), to.name)) {
        backend_undo(to.way.backend, mark);
        return;
    }
    struct leg *leg = queue_by_way(w, f, &to, mark);
    leg_is_retry(w, leg);
    f->second = &leg->lead;
    f->second_target = to.way.backend;
    f->second_at_copy = !to.owner;
    f->second_cas = to.cas;
    worker_count(w, METRIC_ID_HEDGES, 1);
}

/* --- what came ----------------------------------------------------------------------------- */

bool
coalesce_is_copy(const struct flight *f, uint64_t copy_cas, const struct reply_piece *piece)
{
    struct fetched fetched;
    uint64_t cas;
    fetched_read(piece, &fetched);
    if (copy_cas != 0 && !(fetched_cas(&fetched, &cas) && cas == copy_cas)) {
        return false;
    }
    bool with_value = (form_at_copy(f->at.form) & FORM_VALUE) != 0;
    return piece->kind == (with_value ? REPLY_VA : REPLY_HD) && !fetched.won && !fetched.stale &&
           !fetched.taken;
}

void
coalesce_fetched(const struct flight *f, const struct reply_piece *piece, struct fetched *out,
                 char *word)
{
    fetched_read(piece, out);
    if (f->at_copy && (f->at.form & FORM_META) == 0) {
        fetched_as_text(out);
    } else if (f->at_copy && (f->at.form & FORM_KEY) != 0) {
        fetched_set_key(out, flight_key_of(f), word);
    }
}

void
coalesce_note_missed(struct coalesce *co, const struct flight *f, const struct backend *target)
{
    struct lookup_key key;
    if (lookup_key_again(co->worker, flight_key_of(f), f->pool_id, &key)) {
        fanout_missed(co->worker, &key, target);
    }
}

bool
coalesce_comes_first(struct coalesce *co, struct flight *f, struct lead *lead,
                     const struct reply_piece *piece)
{
    bool second = lead == f->second;
    bool at_copy = second ? f->second_at_copy : f->at_copy;
    if (at_copy && !coalesce_is_copy(f, second ? f->second_cas : f->copy_cas, piece)) {
        coalesce_note_missed(co, f, second ? f->second_target : f->at.target);
        coalesce_keep_other(f, lead);
        return false;
    }
    if (reply_is_error(piece->kind)) {
        coalesce_keep_other(f, lead);
        return false;
    }
    struct lead *other = second ? f->first : f->second;
    other->flight = NULL; /* what comes is dropped by its position */
    coalesce_keep_other(f, other);
    worker_count(co->worker, METRIC_ID_HEDGE_WINS, second);
    return true;
}
