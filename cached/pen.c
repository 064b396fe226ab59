#include "cached/pen.h"

bool
pen_find_room(struct conn *c, size_t n)
{
    return outbox_room(&c->out, n) != NULL;
}

void
pen_put_reference(struct conn *c, const struct store_sight *sight)
{
    struct store_thread *th = c->worker->store;
    outbox_refer(&c->out, th, store_keep(th, sight), sight->value);
}
