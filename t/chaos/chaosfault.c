#include "t/chaos/chaosfault.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/buf.h"
#include "common/core/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define TICK_MS       2
#define SETTLE_US     50000
#define CALM_TIMEOUTS 4
#define HEAL_LIMIT_US 60000000

static void
tick(void)
{
    struct timespec t = {.tv_nsec = TICK_MS * 1000000};
    nanosleep(&t, NULL);
}

/* --- healing --------------------------------------------------------------------------- */

static void
heal_node(struct chaos_faults *fs, unsigned node)
{
    fs->node_until_us[node] = 0;
    if (fs->stopped[node]) {
        fs->stopped[node] = false;
        chaos_node_signal(fs->fleet, node, SIGCONT);
    } else {
        chaos_node_start(fs->fleet, node);
    }
}

static void
heal_link(struct chaos_faults *fs, unsigned proxy, unsigned node)
{
    fs->link_until_us[proxy][node] = 0;
    chaos_wire_set(fs->fleet, proxy, node, LINK_OPEN);
}

static void
heal_proxy(struct chaos_faults *fs, unsigned proxy)
{
    fs->proxy_until_us[proxy] = 0;
    chaos_proxy_start(fs->fleet, proxy);
}

static bool
due(uint64_t until_us, uint64_t now)
{
    return until_us != 0 && until_us <= now;
}

/* What ends by now; everything, with UINT64_MAX. */
static void
heal_due(struct chaos_faults *fs, uint64_t now)
{
    const struct chaos_fleet *f = fs->fleet;
    for (unsigned n = 0; n < f->node_count; n++) {
        if (due(fs->node_until_us[n], now)) {
            heal_node(fs, n);
        }
        for (unsigned p = 0; p < f->setup.proxies; p++) {
            if (due(fs->link_until_us[p][n], now)) {
                heal_link(fs, p, n);
            }
        }
    }
    for (unsigned p = 0; p < f->setup.proxies; p++) {
        if (due(fs->proxy_until_us[p], now)) {
            heal_proxy(fs, p);
        }
    }
}

/* --- faults ------------------------------------------------------------------------------ */

static bool
harm_node(struct chaos_faults *fs, const struct chaos_fault *fault)
{
    if (fs->node_until_us[fault->node] != 0) {
        return false;
    }
    fs->node_until_us[fault->node] = clock_mono_us() + fault->lasts_us;
    fs->stopped[fault->node] = fault->kind == FAULT_FREEZE;
    if (fault->kind == FAULT_FREEZE) {
        chaos_node_signal(fs->fleet, fault->node, SIGSTOP);
    } else {
        int how = fault->kind == FAULT_NODE_KILL ? SIGKILL : SIGTERM;
        chaos_node_end(fs->fleet, fault->node, how);
    }
    return true;
}

static bool
harm_link(struct chaos_faults *fs, const struct chaos_fault *fault, enum chaos_link_state state)
{
    uint64_t *until = &fs->link_until_us[fault->proxy][fault->node];
    if (*until != 0) {
        return false;
    }
    *until = clock_mono_us() + fault->lasts_us;
    chaos_wire_set(fs->fleet, fault->proxy, fault->node, state);
    return true;
}

static bool
harm_proxy(struct chaos_faults *fs, const struct chaos_fault *fault, int how)
{
    uint64_t *until = &fs->proxy_until_us[fault->proxy];
    if (*until != 0) {
        return false;
    }
    chaos_proxy_end(fs->fleet, fault->proxy, how);
    *until = clock_mono_us() + fault->lasts_us / 4;
    return true;
}

/* One node's weight is another, or it joins or leaves; two stay at least. While a
 * proxy still goes by an older table, or keys move, there is none. */
static bool
change_table(struct chaos_faults *fs, const struct chaos_fault *fault)
{
    struct chaos_fleet *f = fs->fleet;
    struct chaos_ring ring = f->ring;
    unsigned *weight = &ring.weights[fault->node % f->setup.nodes];
    if (!chaos_fleet_settled(f) || ring.step != MOVE_NONE) {
        return false;
    }
    unsigned least = *weight > 0 && chaos_ring_size(&ring, f->setup.nodes) <= 2 ? 1 : 0;
    *weight = least + (*weight + 1 - least) % (4 - least);
    chaos_fleet_table(f, &ring);
    return true;
}

static bool
begin_move(struct chaos_faults *fs)
{
    unsigned gains = chaos_mover_gains(&fs->mover, fs->fleet);
    for (unsigned i = 0; i < fs->fleet->setup.nodes; i++) {
        if ((gains >> i & 1) != 0 && fs->node_until_us[i] != 0) {
            heal_node(fs, i);
        }
    }
    return gains != 0 && chaos_mover_begin(&fs->mover, fs->fleet);
}

static bool
harm(struct chaos_faults *fs, const struct chaos_fault *fault)
{
    switch (fault->kind) {
    case FAULT_NODE_KILL:
    case FAULT_NODE_END:
    case FAULT_FREEZE: return harm_node(fs, fault);
    case FAULT_CUT: chaos_wire_cut(fs->fleet, fault->proxy, fault->node); return true;
    case FAULT_STALL: return harm_link(fs, fault, LINK_STALLED);
    case FAULT_MUTE: return harm_link(fs, fault, LINK_MUTE);
    case FAULT_DEAF: return harm_link(fs, fault, LINK_DEAF);
    case FAULT_SLOW: return harm_link(fs, fault, LINK_SLOW);
    case FAULT_SPLIT: return harm_link(fs, fault, LINK_SPLIT);
    case FAULT_REFUSE: return harm_link(fs, fault, LINK_REFUSES);
    case FAULT_PROXY_KILL: return harm_proxy(fs, fault, SIGKILL);
    case FAULT_PROXY_END: return harm_proxy(fs, fault, SIGTERM);
    case FAULT_TABLE: return change_table(fs, fault);
    case FAULT_MOVE: return begin_move(fs);
    case CHAOS_FAULT_KINDS: break;
    }
    UNREACHABLE();
}

static void
be_calm(struct chaos_faults *fs, uint64_t now)
{
    heal_due(fs, UINT64_MAX);
    fs->next_us = now + CALM_TIMEOUTS * fs->plan.timeout_us;
}

static void
next_fault(struct chaos_faults *fs, uint64_t now)
{
    struct chaos_fault fault = chaos_plan_next(&fs->plan);
    fs->next_us = now + fault.gap_us;
    if (fault.calm) {
        be_calm(fs, now);
        return;
    }
    bool done = harm(fs, &fault);
    fs->counts[fault.kind] += done;
    if (done) {
        chaos_count(fs->fleet->run, CHAOS_COUNT_FAULTS);
    }
    if (fs->loud) {
        printf("%" PRIu64 " %s proxy=%u node=%u ms=%" PRIu64 "%s\n", now,
               chaos_fault_name(fault.kind), fault.proxy, fault.node, fault.lasts_us / 1000,
               done ? "" : " (not now)");
    }
}

void
chaos_faults_run(struct chaos_faults *fs, uint64_t until_us, uint64_t most)
{
    struct chaos_run *run = fs->fleet->run;
    uint64_t settle_us = 0;
    while (!run->ending && run->counts[CHAOS_COUNT_FAULTS] < most) {
        uint64_t now = clock_mono_us();
        if (now >= until_us) {
            return;
        }
        heal_due(fs, now);
        if (now >= fs->next_us) {
            next_fault(fs, now);
        }
        if (now >= settle_us) {
            settle_us = now + SETTLE_US;
            chaos_fleet_settle(fs->fleet);
            chaos_fleet_look(fs->fleet);
            if (!chaos_mover_go_on(&fs->mover, fs->fleet, now)) {
                be_calm(fs, now);
            }
        }
        tick();
    }
}

/* --- until all is well --------------------------------------------------------------------- */

/* Is none of the numbers behind this word above 0? */
static bool
all_zero(const char *text, const char *word)
{
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        if (at[strlen(word)] != '0') {
            return false;
        }
    }
    return true;
}

/* For whoever has to find out why. */
static void
say_rows(const char *text, const char *word)
{
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        const char *row = at;
        while (row > text && row[-1] != '\n') {
            row--;
        }
        if (at[strlen(word)] != '0') {
            printf("  %.*s\n", (int)strcspn(row, "\r"), row);
        }
    }
}

static void
say_ill(struct chaos_fleet *f)
{
    struct buf stats = BUF_EMPTY;
    for (unsigned p = 0; p < f->setup.proxies; p++) {
        printf("proxy %u: %s\n", p, f->unsettled[p] ? "has not acknowledged" : "follows");
        if (chaos_fleet_ask(f, p, "stats backends", &stats)) {
            say_rows(buf_span(&stats).ptr, ":down_workers ");
            say_rows(buf_span(&stats).ptr, ":journal ");
        }
    }
    buf_deinit(&stats);
}

static bool
proxy_is_well(struct chaos_fleet *f, unsigned proxy)
{
    struct buf stats = BUF_EMPTY;
    bool well = !f->unsettled[proxy] && chaos_fleet_ask(f, proxy, "stats backends", &stats) &&
                all_zero(buf_span(&stats).ptr, ":down_workers ") &&
                all_zero(buf_span(&stats).ptr, ":journal ");
    buf_deinit(&stats);
    return well;
}

void
chaos_faults_heal(struct chaos_faults *fs)
{
    struct chaos_fleet *f = fs->fleet;
    uint64_t limit = clock_mono_us() + HEAL_LIMIT_US;
    unsigned well = 0;
    heal_due(fs, UINT64_MAX);
    chaos_fleet_pay(f);
    /* Twice in a row, and what was late has come. */
    while (well < 10 && clock_mono_us() < limit) {
        bool all = true;
        chaos_fleet_settle(f);
        for (unsigned p = 0; p < f->setup.proxies; p++) {
            all = all && proxy_is_well(f, p);
        }
        well = all ? well + 1 : 0;
        for (unsigned i = 0; i < 25; i++) {
            tick();
        }
    }
    if (well < 10) {
        say_ill(f);
        chaos_wrong(f->run, "all is healed, but a proxy still lacks a node, or owes it something");
    }
}
