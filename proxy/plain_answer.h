/* plain_answer.h - the short way of replies that are the whole answer of one client, byte
 * for byte: of legs that were queued with what to expect (enum leg_plain).
 *
 * It does what reply_parse(), answer.c and leg_queue.c would do, of all such replies that
 * stand one behind the other at once, and leaves out what would turn out not to be needed.
 * What is not whole, or not what is expected, or concerns others than the client that
 * asked, is left to them. Worker's thread only. */
#pragma once
#include <stdbool.h>

struct backend;

/* Takes the replies that b->in begins with. False: the first is not for here, and nothing
 * has been done. Call at the beginning of a reply. */
bool plain_answers(struct backend *b);
