/* top_screen.h - mfctl top on a terminal, by ncurses: draws pages and takes keys.
 * The only room with ncurses.
 *
 * From top_screen_create() to top_screen_destroy() the terminal is ours: nothing
 * else may be written to it, and whoever ends the process must have called the
 * latter. Loop's thread only. */
#pragma once
#include "common/net/loop.h"
#include "control/top_view.h"

struct top_screen;

/* NULL, and *error a static text, if this terminal cannot be drawn on. */
struct top_screen *top_screen_create(struct loop *loop, struct top_poll *poll,
                                     const struct top_look *look, uint64_t interval_ms,
                                     const char **error);
/* Gives the terminal back as it was. */
void top_screen_destroy(struct top_screen **screen);

/* A round has ended: shows what is known now. */
void top_screen_draw(struct top_screen *screen);
