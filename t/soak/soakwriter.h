/* soakwriter.h - the threads of a soak that talk to the server. Each is a
 * function of one thread and returns when the soak ends. */
#pragma once
#include "common/net/addr.h"
#include "t/soak/soakboard.h"

struct soak_actor {
    struct soak_board *board;
    const struct addr *addr;
    unsigned number; /* among those of its kind */
};

/* Owns the keys number * keys .. and does everything with them; knows what each
 * answer must be. */
void *soak_writer(void *actor);

/* Reads everybody's keys; knows of each the oldest write that may still be seen. */
void *soak_reader(void *actor);

/* Fills the memory with values that say whose they are, more than fit, and
 * reads them. */
void *soak_filler(void *actor);

/* Never reads, sends half commands, goes away in the middle of values. Nothing
 * that was not sent whole may be stored. */
void *soak_troublemaker(void *actor);
