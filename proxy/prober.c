/* prober.c - asks DOWN nodes whether they are back. What and when is health.c's
 * decision; here it is carried out: a `version` in the backend's own queue, so
 * that a probe proves the very way that requests will go. */
#include "proxy/backend.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"

void
prober_run(struct backend *b, uint64_t now_us)
{
    bool due = b->health.state == HEALTH_DOWN && b->health.probe_due_us <= now_us;
    if (!due || b->probe != NULL || b->retired || b->masked) {
        return;
    }
    size_t mark = backend_mark(b);
    if (!buf_append_span(&b->out, SPAN_LIT("version\r\n"))) {
        backend_undo(b, mark);
        prober_failed(b);
        return;
    }
    worker_count(b->worker, METRIC_ID_PROBES, 1);
    b->probe = leg_create(b->worker, NULL, LEG_PROBE, CMD_VERSION, b->worker->roster);
    leg_queue_append(b, b->probe, mark, b->request_timeout_us);
}

void
prober_answered(struct backend *b)
{
    b->probe = NULL;
    backend_note(b, HEALTH_PROBE_ANSWERED);
}

void
prober_failed(struct backend *b)
{
    b->probe = NULL;
    backend_note(b, HEALTH_PROBE_FAILED);
}
