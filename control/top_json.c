#include "control/top_json.h"

static void
put_real(json_t *to, const char *name, double value)
{
    if (value >= 0) {
        json_object_set_new(to, name, json_real(value));
    }
}

static void
put_value(json_t *to, const char *name, const struct top_sample *s, enum top_stat stat)
{
    if (top_knows(s, stat)) {
        json_object_set_new(to, name, json_integer((json_int_t)s->values[stat]));
    }
}

static void
put_rate(json_t *to, const char *name, const struct top_server *s, enum top_stat stat)
{
    if (top_knows(&s->now, stat)) {
        put_real(to, name, s->rates.per_second[stat]);
    }
}

static json_t *
latencies(const struct top_sample *s)
{
    static const char *const names[] = {
#define X(id, name) name,
        TOP_COMMANDS(X)
#undef X
    };
    json_t *commands = json_object();
    for (unsigned i = 0; i < TOP_COMMAND_COUNT; i++) {
        const struct top_latency *l = &s->latency[i];
        if (l->count > 0) {
            json_object_set_new(commands, names[i],
                                json_pack("{s:I s:I s:I s:I}", "count", (json_int_t)l->count,
                                          "p50_us", (json_int_t)l->p50_us, "p99_us",
                                          (json_int_t)l->p99_us, "p999_us",
                                          (json_int_t)l->p999_us));
        }
    }
    return commands;
}

static json_t *
keys(const struct top_sample *s)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < TOP_KEYS && s->keys[i].key[0] != '\0'; i++) {
        const struct top_key *key = &s->keys[i];
        json_t *row = json_pack("{s:s s:I s:b}", "key", key->key, "count", (json_int_t)key->count,
                                "promoted", key->promoted);
        put_real(row, "share", top_key_share(s, key));
        json_array_append_new(array, row);
    }
    return array;
}

static json_t *
backends(const struct top_server *s)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < s->now.backend_count; i++) {
        const struct top_backend *b = &s->now.backends[i];
        json_t *row = json_pack("{s:s s:s s:I s:I s:I}", "id", b->id, "state", b->state,
                                "down_workers", (json_int_t)b->down_workers, "failed",
                                (json_int_t)b->failed, "journal", (json_int_t)b->journal);
        put_real(row, "requests_per_second", top_has_rates(s) ? s->rates.backends[i] : -1);
        if (b->p99_us > 0) {
            json_object_set_new(row, "p50_us", json_integer((json_int_t)b->p50_us));
            json_object_set_new(row, "p99_us", json_integer((json_int_t)b->p99_us));
        }
        json_array_append_new(array, row);
    }
    return array;
}

static void
put_rates(json_t *to, const struct top_server *s)
{
    put_real(to, "seconds", s->rates.seconds);
    put_real(to, "requests_per_second", s->rates.requests);
    put_real(to, "hit_ratio", s->rates.hit_ratio);
    put_real(to, "cpu", s->rates.cpu);
    put_rate(to, "gets_per_second", s, TOP_GETS);
    put_rate(to, "sets_per_second", s, TOP_SETS);
    put_rate(to, "deletes_per_second", s, TOP_DELETES);
    put_rate(to, "evictions_per_second", s, TOP_EVICTIONS);
    put_rate(to, "failed_per_second", s, TOP_FAILED);
    put_rate(to, "read_bytes_per_second", s, TOP_READ);
    put_rate(to, "written_bytes_per_second", s, TOP_WRITTEN);
    if (s->rates.restarted) {
        json_object_set_new(to, "restarted", json_true());
    }
}

static json_t *
describe(const struct top_server *s)
{
    static const char *const states[] = {
        [TOP_CONNECTING] = "connecting", [TOP_UP] = "up", [TOP_GONE] = "gone"};
    json_t *row = json_pack("{s:s s:s s:s s:s}", "name", s->name, "pool", s->pool, "addr", s->addr,
                            "state", states[s->state]);
    if (s->state == TOP_GONE) {
        json_object_set_new(row, "reason", json_string(s->reason));
    }
    if (s->state != TOP_UP) {
        return row;
    }
    json_object_set_new(row, "kind", json_string(s->now.is_proxy ? "proxy" : "node"));
    json_object_set_new(row, "version", json_string(s->now.version));
    put_value(row, "uptime_s", &s->now, TOP_UPTIME_S);
    put_value(row, "items", &s->now, TOP_ITEMS);
    put_value(row, "bytes", &s->now, TOP_BYTES);
    put_value(row, "limit_bytes", &s->now, TOP_LIMIT);
    put_value(row, "connections", &s->now, TOP_CONNECTIONS);
    if (top_has_rates(s)) {
        put_rates(row, s);
    }
    json_object_set_new(row, "commands", latencies(&s->now));
    json_object_set_new(row, "keys", keys(&s->now));
    json_object_set_new(row, "backends", backends(s));
    return row;
}

json_t *
top_json(const struct top_fleet *fleet, uint64_t wall_ms)
{
    json_t *servers = json_array();
    for (unsigned i = 0; i < fleet->count; i++) {
        json_array_append_new(servers, describe(fleet->servers[i]));
    }
    return json_pack("{s:I s:o}", "time_ms", (json_int_t)wall_ms, "servers", servers);
}
