#include "proxy/gutter.h"
#include "common/core/buf.h"
#include "common/proto/exptime.h"
#include "proxy/form.h"

#include <inttypes.h>

#define MS_FLAGS_MAX (META_FLAGS_MAX - 1) /* beside verb, key and length */

/* An ms that is a plain set: neither a compare nor another mode. */
static bool
is_plain_ms(const struct meta_args *m)
{
    bool sets = m->mode == MODE_DEFAULT || m->mode == MODE_SET;
    bool has_room = meta_has(m, 'T') || m->count < MS_FLAGS_MAX; /* for our T */
    return sets && has_room && !meta_has(m, 'C') && !meta_has(m, 'I') && !meta_has(m, 'N');
}

bool
gutter_serves(uint8_t form)
{
    return form != FORM_NONE && (form & FORM_CAS) == 0;
}

enum gutter_use
gutter_use(const struct request *r, uint8_t form)
{
    if (gutter_serves(form)) {
        return GUTTER_READ;
    }
    if (r->cmd == CMD_DELETE || r->cmd == CMD_MD) {
        return GUTTER_DELETE;
    }
    bool stores = r->cmd == CMD_SET || (r->cmd == CMD_MS && is_plain_ms(&r->meta));
    return stores ? GUTTER_STORE : GUTTER_NEVER;
}

int64_t
gutter_exptime(int64_t exptime, uint64_t ttl_s, uint64_t wall_s)
{
    int64_t most = (int64_t)ttl_s, left = exptime;
    if (exptime < 0) {
        return exptime; /* at once, as ever */
    }
    if (exptime > EXPTIME_RELATIVE_MAX) {
        left = exptime > (int64_t)wall_s ? exptime - (int64_t)wall_s : -1;
    }
    return exptime == 0 || left > most ? most : left;
}

static bool
put_i64(struct buf *out, int64_t v)
{
    return buf_printf(out, "%" PRId64, v);
}

static bool
put_set(struct buf *out, const struct request *r, int64_t exptime)
{
    return buf_append_span(out, SPAN_LIT("set ")) && buf_append_span(out, r->wire_key) &&
           buf_append(out, " ", 1) && buf_append_u64(out, r->flags) && buf_append(out, " ", 1) &&
           put_i64(out, exptime) && buf_append(out, " ", 1) &&
           buf_append_u64(out, r->value_bytes) && buf_append(out, "\r\n", 2);
}

static bool
put_ms(struct buf *out, const struct request *r, int64_t exptime)
{
    bool ok = buf_append_span(out, SPAN_LIT("ms ")) && buf_append_span(out, r->wire_key) &&
              buf_append(out, " ", 1) && buf_append_u64(out, r->value_bytes);
    for (unsigned i = 0; ok && i < r->meta.count; i++) {
        const struct meta_flag *flag = &r->meta.flags[i];
        if (flag->letter != 'T' && flag->letter != 'q') {
            char lead[2] = {' ', flag->letter};
            ok = buf_append(out, lead, 2) && buf_append_span(out, flag->arg);
        }
    }
    return ok && buf_append(out, " T", 2) && put_i64(out, exptime) && buf_append(out, "\r\n", 2);
}

bool
gutter_put_store(struct buf *out, const struct request *r, int64_t exptime)
{
    return r->cmd == CMD_MS ? put_ms(out, r, exptime) : put_set(out, r, exptime);
}
