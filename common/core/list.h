/* list.h - a circular doubly linked list whose links live in the members. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

#define LIST_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* `it` may be unlinked or freed inside the loop. */
#define LIST_EACH_SAFE(it, head)                                                                   \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

static inline void
list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool
list_empty(const struct list *head)
{
    return head->next == head;
}

/* Is this link on a list? True only for links that were list_init()ed. */
static inline bool
list_linked(const struct list *link)
{
    return link->next != link;
}

static inline void
list_push_back(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void
list_push_front(struct list *head, struct list *link)
{
    list_push_back(head->next, link);
}

/* Leaves the link pointing at itself: removing twice is harmless. */
static inline void
list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* NULL if empty. */
static inline struct list *
list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

static inline struct list *
list_pop_front(struct list *head)
{
    struct list *first = list_first(head);
    if (first != NULL) {
        list_remove(first);
    }
    return first;
}
