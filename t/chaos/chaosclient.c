#include "t/chaos/chaosclient.h"
#include "common/core/clock.h"

#include <inttypes.h>
#include <time.h>

#define PUMP_MS 50

/* Not to be confused with waiting for an event: between two tries of something
 * that sends none. */
static void
pause_ms(unsigned ms)
{
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

static bool
connect_to_proxy(struct chaos_client *c)
{
    struct chaos_door *door = &c->run->doors[c->proxy];
    c->life = door->life;
    if (door->closed || !soak_conn_open(&c->conn, &door->addr)) {
        return false;
    }
    chaos_count(c->run, CHAOS_COUNT_CONNECTS);
    return true;
}

/* The proxy closes nobody who behaves, unless it ends. */
static void
lost(struct chaos_client *c)
{
    const struct chaos_door *door = &c->run->doors[c->proxy];
    if (!door->closed && door->life == c->life) {
        chaos_wrong(c->run, "client %u: its connection was closed", c->number);
    }
    chaos_batch_lost(c, clock_mono_us());
    soak_conn_close(&c->conn, false);
}

/* False if the connection is of no use any more. */
static bool
await_answers(struct chaos_client *c)
{
    uint64_t limit = clock_mono_us() + c->run->answer_limit_us;
    while (clock_mono_us() < limit) {
        bool there = soak_conn_pump(&c->conn, PUMP_MS);
        switch (chaos_answers_take(c, clock_mono_us())) {
        case CHAOS_TAKEN_ALL: return true;
        case CHAOS_TAKEN_WRONG:
            chaos_batch_lost(c, clock_mono_us());
            soak_conn_close(&c->conn, true);
            return false;
        case CHAOS_TAKEN_NEED_MORE: break;
        }
        if (!there || c->conn.ended) {
            lost(c);
            return false;
        }
    }
    chaos_wrong(c->run, "client %u: no answer to command %u of %u in %" PRIu64 " ms", c->number,
                c->first, c->count, c->run->answer_limit_us / 1000);
    chaos_batch_lost(c, clock_mono_us());
    soak_conn_close(&c->conn, true);
    return false;
}

void *
chaos_client_run(void *arg)
{
    struct chaos_client *c = arg;
    c->conn = SOAK_CONN_CLOSED;
    while (!c->run->ending) {
        if (c->conn.fd < 0 && !connect_to_proxy(c)) {
            pause_ms(5);
            continue;
        }
        chaos_batch_begin(c);
        await_answers(c);
    }
    if (c->conn.fd >= 0) {
        soak_conn_close(&c->conn, false);
    }
    return NULL;
}

/* --- when all is over ---------------------------------------------------------------- */

static bool
ask(struct chaos_client *c, enum chaos_verb verb, unsigned key)
{
    c->count = c->first = 0;
    chaos_call_put(c, verb, key);
    chaos_call_put(c, VERB_MN, 0);
    return await_answers(c);
}

/* Does `count` grow by it? */
static bool
ask_counting(struct chaos_client *c, enum chaos_verb verb, unsigned key, enum chaos_count count)
{
    uint64_t before = c->run->counts[count];
    return ask(c, verb, key) && c->run->counts[count] > before;
}

/* Set through one, and read through each. */
static bool
is_shared(struct chaos_client *clients, unsigned key, unsigned by)
{
    bool all = ask_counting(&clients[by], VERB_SET, key, CHAOS_COUNT_WRITES);
    for (unsigned i = 0; all && i < clients[0].run->proxies; i++) {
        all = ask_counting(&clients[i], VERB_GET, key, CHAOS_COUNT_HITS);
    }
    return all;
}

/* A machine that is busy may fail a request, but not for ever. */
static void
check_key(struct chaos_client *clients, unsigned key, unsigned by)
{
    struct chaos_run *run = clients[0].run;
    uint64_t limit = clock_mono_us() + run->answer_limit_us;
    for (unsigned i = 0; i < run->proxies; i++) {
        ask(&clients[i], VERB_GET, key);
    }
    while (run->wrongs == 0 && !is_shared(clients, key, by)) {
        if (clock_mono_us() > limit) {
            chaos_wrong(run, "key %u cannot be set through proxy %u and read through all", key, by);
        }
        pause_ms(20);
    }
}

void
chaos_check_calm(struct chaos_run *run)
{
    struct chaos_client clients[CHAOS_PROXIES_MAX];
    memset(clients, 0, sizeof(clients));
    unsigned open = 0;
    for (; open < run->proxies; open++) {
        clients[open] = (struct chaos_client){
            .run = run, .number = 1000 + open, .proxy = open, .rng = run->seed | 1};
        if (!connect_to_proxy(&clients[open])) {
            chaos_wrong(run, "proxy %u cannot be reached though all is well", open);
            break;
        }
    }
    for (unsigned key = 0; open == run->proxies && key < run->keys; key++) {
        check_key(clients, key, key / 2 % run->proxies);
    }
    while (open-- > 0) {
        soak_conn_close(&clients[open].conn, false);
    }
}
