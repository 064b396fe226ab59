/* control.h - mfcontrol as a whole: who calls whom.
 *
 *                       etcd
 *          watch         |  ^ txn            ^ leases
 *            v           |  |                |
 *          mirror ---> leader (planner, publisher)     registrar, presence
 *            | adopted()                               ^ nodes' HELLO and BYE
 *            v                                         |
 *        push_server <====== push streams ======> nodes and proxies
 *
 * One loop: each of these is a room of callbacks and owns its part of the state;
 * two helper threads build, parse and save tables. What is served does not
 * depend on etcd being there. */
#pragma once
#include "control/control_options.h"
#include "control/leader.h"
#include "control/mirror.h"
#include "control/presence.h"
#include "control/push_server.h"
#include "control/registrar.h"
#include "control/status_page.h"

struct control {
    const struct control_options *options;
    struct loop *loop;
    struct loop_signal terminate, interrupt;
    struct loop_timer deadline; /* of resigning */
    struct metric_set *metric_set;
    struct metric_block *metrics;
    struct push_server *push;
    struct etcd *etcd;
    struct offload *builder, *saver;
    struct mirror *mirror;
    struct registrar *registrar;
    struct presence *presence;
    struct leader *leader;
    struct status_page *status;
    char *state_file;
    char *relays;
    char advertise[ADDR_TEXT_MAX];
    char id[NAME_MAX_BYTES + 1];
    bool ending;
};

/* Prints one line on stderr and returns false if an address cannot be bound or
 * an option does not work out; control_stop() is due in either case. */
bool control_start(struct control *c, const struct control_options *options);

/* Until SIGTERM or SIGINT; then gives the office up and says goodbye, two
 * seconds at most. */
void control_run(struct control *c);

void control_stop(struct control *c);
