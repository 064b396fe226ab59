#include "control/etcd/endpoint.h"
#include "common/core/mem.h"

#include <stdlib.h>

static bool
is_host_text(const char *s)
{
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s <= ' ' || strchr("/?#@\\\"", *s) != NULL) {
            return false;
        }
    }
    return true;
}

/* NULL unless `text` is [http[s]://]host[:port][/]. */
static char *
normal_url(const char *text)
{
    const char *scheme = "http://";
    if (strncmp(text, "https://", 8) == 0) {
        scheme = "https://";
        text += 8;
    } else if (strncmp(text, "http://", 7) == 0) {
        text += 7;
    }
    size_t n = strlen(text);
    char *host = mem_strndup(text, n > 0 && text[n - 1] == '/' ? n - 1 : n);
    char *url = is_host_text(host) ? mem_printf("%s%s", scheme, host) : NULL;
    free(host);
    return url;
}

bool
endpoints_init(struct endpoints *e, const char *const *texts, size_t count, char **error)
{
    *e = (struct endpoints){0};
    if (count == 0 || count > ETCD_ENDPOINTS_MAX) {
        *error =
            mem_printf("%zu etcd endpoints given, expected 1 to %d", count, ETCD_ENDPOINTS_MAX);
        return false;
    }
    e->urls = mem_zalloc(count * sizeof(e->urls[0]));
    for (; e->count < count; e->count++) {
        e->urls[e->count] = normal_url(texts[e->count]);
        if (e->urls[e->count] == NULL) {
            *error = mem_printf("\"%s\" is no etcd endpoint, expected http[s]://HOST:PORT",
                                texts[e->count]);
            endpoints_deinit(e);
            return false;
        }
    }
    return true;
}

void
endpoints_deinit(struct endpoints *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free(e->urls[i]);
    }
    free(e->urls);
    *e = (struct endpoints){0};
}

void
endpoints_failed(struct endpoints *e, size_t index)
{
    if (e->current == index) {
        e->current = (index + 1) % e->count;
    }
}

/* When there are more members than rows the oldest row makes room: a cluster
 * has nine members at most, so that is churn over years. */
static struct guard_member *
member_row(struct guard *g, uint64_t id)
{
    for (size_t i = 0; i < g->member_count; i++) {
        if (g->members[i].id == id) {
            return &g->members[i];
        }
    }
    if (g->member_count == GUARD_MEMBERS_MAX) {
        memmove(&g->members[0], &g->members[1], (GUARD_MEMBERS_MAX - 1) * sizeof(g->members[0]));
        g->member_count--;
    }
    struct guard_member *row = &g->members[g->member_count++];
    *row = (struct guard_member){.id = id};
    return row;
}

enum guard_result
guard_check(struct guard *g, const struct etcd_header *header, uint64_t asked_us, uint64_t now_us)
{
    if (header->cluster_id == 0) {
        return GUARD_BELIEVED;
    }
    if (g->cluster_id != 0 && header->cluster_id != g->cluster_id) {
        return GUARD_OTHER_CLUSTER;
    }
    g->cluster_id = header->cluster_id;
    struct guard_member *m = member_row(g, header->member_id);
    if (header->raft_term > m->raft_term) {
        m->raft_term = header->raft_term;
        m->since_us = now_us;
    } else if (header->raft_term < m->raft_term && asked_us > m->since_us) {
        return GUARD_OLDER_TERM;
    }
    return GUARD_BELIEVED;
}

void
guard_forget_terms(struct guard *g)
{
    g->member_count = 0;
}

const char *
guard_text(enum guard_result result)
{
    switch (result) {
    case GUARD_BELIEVED: return "believed";
    case GUARD_OTHER_CLUSTER: return "the endpoint belongs to another etcd cluster";
    case GUARD_OLDER_TERM: return "the member's raft term went back";
    }
    return "";
}
