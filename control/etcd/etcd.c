#include "control/etcd/etcd.h"
#include "common/core/mem.h"
#include "control/etcd/etcd_client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const struct metric_desc METRIC_DESCS[] = {ETCD_METRICS(METRIC_DESC)};

const char *
etcd_outcome_name(enum etcd_outcome outcome)
{
    static const char *const NAMES[] = {
#define NAME(id, name, help) [ETCD_##id] = name,
        ETCD_OUTCOMES(NAME)
#undef NAME
    };
    return NAMES[outcome];
}

/* libcurl would complain of these with every call, to nobody who waits for the start. */
static bool
files_are_there(const struct etcd_options *o, char **error)
{
    const char *const files[] = {o->password_file, o->ca_file, o->cert_file, o->key_file};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            *error = mem_printf("%s: %s", files[i], strerror(errno));
            return false;
        }
    }
    if ((o->cert_file == NULL) != (o->key_file == NULL)) {
        *error = mem_strdup("a client certificate and its key are needed together");
        return false;
    }
    return true;
}

struct etcd *
etcd_create(struct loop *loop, const struct etcd_options *options, char **error)
{
    struct endpoints endpoints;
    if (options->user != NULL && options->password_file == NULL) {
        *error = mem_strdup("an etcd user needs a password file");
        return NULL;
    }
    if (!files_are_there(options, error)) {
        return NULL;
    }
    if (!endpoints_init(&endpoints, options->endpoints, options->endpoint_count, error)) {
        return NULL;
    }
    struct etcd *c = mem_zalloc(sizeof(*c));
    c->loop = loop;
    c->prefix = mem_strdup(options->prefix != NULL ? options->prefix : "");
    c->endpoints = endpoints;
    c->read_deadline_ms =
        options->read_deadline_ms ? options->read_deadline_ms : ETCD_READ_DEADLINE_MS;
    c->write_deadline_ms =
        options->write_deadline_ms ? options->write_deadline_ms : ETCD_WRITE_DEADLINE_MS;
    c->metrics = metric_set_create("etcd_client", METRIC_DESCS, ETCD_METRIC_COUNT);
    c->counts = metric_set_block(c->metrics);
    c->transport = transport_create(loop, options->ca_file, options->cert_file, options->key_file);
    c->auth = auth_create(c->transport, &c->endpoints, c->counts, options->user,
                          options->password_file, c->read_deadline_ms);
    list_init(&c->calls);
    return c;
}

void
etcd_destroy(struct etcd **client)
{
    struct etcd *c = *client;
    if (c == NULL) {
        return;
    }
    calls_drop(c);
    auth_destroy(&c->auth);
    transport_destroy(&c->transport);
    endpoints_deinit(&c->endpoints);
    metric_set_destroy(&c->metrics);
    free(c->prefix);
    free(c);
    *client = NULL;
}

struct loop *
etcd_loop(const struct etcd *client)
{
    return client->loop;
}

size_t
etcd_endpoint_count(const struct etcd *client)
{
    return client->endpoints.count;
}

const char *
etcd_endpoint_url(const struct etcd *client, size_t index)
{
    return client->endpoints.urls[index];
}

const struct metric_set *
etcd_metrics(const struct etcd *client)
{
    return client->metrics;
}
