/* chaosclient.h - clients: each with a connection to one proxy, sends batches
 * until the run ends and judges what is answered; and the look at everything when
 * all faults are over. */
#pragma once
#include "t/chaos/chaoscall.h"

/* A thread's start routine; `arg` is a struct chaos_client with run, number, proxy
 * and rng set. */
void *chaos_client_run(void *arg);

/* All nodes can be reached again and have had what they missed: what is stored
 * through one proxy is read through each, and nothing old is. Any thread, when the
 * clients have ended. */
void chaos_check_calm(struct chaos_run *run);
