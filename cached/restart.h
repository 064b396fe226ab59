/* restart.h - a node that ends and comes back with its items (-e FILE).
 *
 *     stop    workers end -> FILE.meta is written (image) -> the process ends;
 *             the items stay in FILE, whose pages they were all the time
 *     start   FILE.meta is read and removed -> the image is loaded -> listen
 *
 * An image is good for one start: FILE changes from the first request on, and a
 * node that dies later must not find it. Whatever is wrong with it, the node
 * starts, empty, and the log says why. A FILE that cannot be used at all ends it.
 *
 * The node's clock goes on where it was plus the time in between, so that what
 * expires does so whether the node runs or not. The boot id is the name of what
 * is in memory, by which others know whether we still have what they stored: it
 * comes back with the items, and is new without them. So does the epoch below which
 * proxies are refused: by an old table they would read what others have written over. */
#pragma once
#include <stdbool.h>

struct node;

/* Makes the node's store and boot id and sets its clock. False and a line on
 * stderr if the memory file cannot be used. */
bool restart_make_store(struct node *node);

/* Saves what can be saved. The process ends behind that, and the store with it. No
 * worker may run. */
void restart_end_store(struct node *node);
