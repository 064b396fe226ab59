/* control_options.h - mfcontrol's command line, once: parsing, --help and the
 * manual come from these rows. */
#pragma once
#include "common/core/option.h"
#include "common/net/daemon.h"
#include "control/etcd_arguments.h"

/* clang-format off */
/*    letter  name         type      field      argument  default            one sentence */
#define CONTROL_OPTIONS(X)                                                                         \
    ETCD_ARGUMENTS(X)                                                                              \
    X('l', "listen",       STRING,   listen,    "ADDR",   "127.0.0.1:11300",                       \
      "serve the push stream at HOST:PORT or unix:/path; port 0 lets the kernel choose")           \
    X(0,   "advertise",    STRING,   advertise, "ADDR",   NULL,                                    \
      "the address that followers shall use (the bound one if not given)")                         \
    X(0,   "id",           STRING,   id,        "NAME",   NULL,                                    \
      "our name among the mfcontrols (the advertised address if not given)")                       \
    X(0,   "state-dir",    STRING,   state_dir, "DIR",    NULL,                                    \
      "keep the last good routing table here, to serve it while etcd is away; made if missing")    \
    X(0,   "http",         STRING,   http,      "ADDR",   NULL,                                    \
      "serve /metrics, /healthz, /readyz and a status page at HOST:PORT or unix:/path")            \
    X(0,   "lease-ttl",    DURATION, lease_ttl, "TIME",   "10s",                                   \
      "how long the leader's lease lasts: a standby takes over after that")                        \
    X(0,   "node-lease-ttl", DURATION, node_lease_ttl, "TIME", "15s",                              \
      "how long a node stays registered after it was last heard and healthy")                      \
    X(0,   "follower-timeout", DURATION, follower_timeout, "TIME", "30s",                          \
      "drop a follower that takes nothing off us, or says nothing, for so long")                   \
    DAEMON_OPTIONS(X)
/* clang-format on */

struct control_options {
    CONTROL_OPTIONS(OPTION_FIELD)
};

/* Fills `into` and checks what one row alone cannot. Prints what is wrong. */
enum options_outcome control_options_parse(int argc, char **argv, struct control_options *into);
void control_options_deinit(struct control_options *options);
