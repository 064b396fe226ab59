/* chaosfault.h - carries out what chaosplan.h chose, and heals it in time. Main
 * thread only. */
#pragma once
#include "t/chaos/chaosfleet.h"
#include "t/chaos/chaosmover.h"
#include "t/chaos/chaosplan.h"

struct chaos_faults {
    struct chaos_fleet *fleet;
    struct chaos_plan plan;
    bool loud; /* say each */
    uint64_t next_us, node_until_us[CHAOS_NODES_MAX];
    uint64_t link_until_us[CHAOS_PROXIES_MAX][CHAOS_NODES_MAX]; /* 0: well */
    uint64_t proxy_until_us[CHAOS_PROXIES_MAX];
    uint64_t counts[CHAOS_FAULT_KINDS];
    bool stopped[CHAOS_NODES_MAX]; /* it stands still; else it has ended */
    struct chaos_mover mover;
};

/* Heals what is due, and makes the next fault when it is. Until the time is over
 * or the run ends. */
void chaos_faults_run(struct chaos_faults *fs, uint64_t until_us, uint64_t most);

/* Heals everything and waits until each proxy reaches each node, and has delivered
 * what it owed. Says so if that takes too long. */
void chaos_faults_heal(struct chaos_faults *fs);
