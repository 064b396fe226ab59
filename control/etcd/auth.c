#include "control/etcd/auth.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "control/etcd/encode.h"
#include "control/etcd/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PASSWORD_BYTES_MAX 4096
#define ANSWER_BYTES_MAX   65536

struct auth {
    struct transport *transport;
    struct endpoints *endpoints;
    struct metric_block *metrics;
    char *user;
    char *password_file;
    uint64_t deadline_ms;
    char *token;
    uint64_t number;
    struct list waiters;
    struct transfer *transfer;
    size_t endpoint;  /* being asked */
    size_t asks_left; /* endpoints to try, this one included */
};

struct auth *
auth_create(struct transport *transport, struct endpoints *endpoints, struct metric_block *metrics,
            const char *user, const char *password_file, uint64_t deadline_ms)
{
    struct auth *a = mem_zalloc(sizeof(*a));
    *a = (struct auth){
        .transport = transport,
        .endpoints = endpoints,
        .metrics = metrics,
        .user = user != NULL ? mem_strdup(user) : NULL,
        .password_file = password_file != NULL ? mem_strdup(password_file) : NULL,
        .deadline_ms = deadline_ms,
    };
    list_init(&a->waiters);
    return a;
}

static void
drop_token(struct auth *a)
{
    if (a->token != NULL) {
        explicit_bzero(a->token, strlen(a->token));
        free(a->token);
        a->token = NULL;
    }
}

void
auth_destroy(struct auth **a)
{
    struct auth *it = *a;
    if (it == NULL) {
        return;
    }
    transfer_cancel(&it->transfer);
    drop_token(it);
    free(it->user);
    free(it->password_file);
    free(it);
    *a = NULL;
}

bool
auth_is_used(const struct auth *a)
{
    return a->user != NULL;
}

const char *
auth_token(const struct auth *a)
{
    return a->token;
}

uint64_t
auth_number(const struct auth *a)
{
    return a->token != NULL ? a->number : 0;
}

/* --- fetching --------------------------------------------------------------- */
static void
tell_waiters(struct auth *a, enum etcd_outcome outcome, const char *error)
{
    /* Moved to a list of their own: a waiter may ask again from inside. */
    struct list told;
    list_init(&told);
    for (struct list *it = list_pop_front(&a->waiters); it != NULL;
         it = list_pop_front(&a->waiters)) {
        list_push_back(&told, it);
    }
    for (struct list *it = list_pop_front(&told); it != NULL; it = list_pop_front(&told)) {
        struct auth_waiter *w = LIST_ENTRY(it, struct auth_waiter, link);
        w->ready(w->arg, outcome, error);
    }
}

/* The first line of the file; empty if it cannot be read, which etcd will then
 * refuse and we will say why. */
static size_t
read_password(const char *path, char *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, to, PASSWORD_BYTES_MAX) : -1;
    if (n < 0) {
        LOG_LIMITED(1, LOG_ERROR, "etcd_password_unreadable", "file=%s reason=%s", LOG_STR(path),
                    LOG_STR(strerror(errno)));
        n = 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    const char *end = memchr(to, '\n', (size_t)n);
    size_t len = end != NULL ? (size_t)(end - to) : (size_t)n;
    return len > 0 && to[len - 1] == '\r' ? len - 1 : len;
}

static void ask(struct auth *a);

static void
keep_token(struct auth *a, const char *token)
{
    drop_token(a);
    a->token = mem_strdup(token);
    a->number++;
    tell_waiters(a, ETCD_OK, "");
}

static void
give_up(struct auth *a, enum etcd_outcome outcome, const char *reason)
{
    char *why = mem_printf("authentication as \"%s\": %s", a->user, reason);
    tell_waiters(a, outcome == ETCD_UNAVAILABLE ? ETCD_UNAVAILABLE : ETCD_AUTH, why);
    free(why);
}

static void
on_answer(void *arg, enum transfer_end end, int status, struct buf *input, const char *error)
{
    struct auth *a = arg;
    a->transfer = NULL;
    struct answer answer;
    const char *reason = error;
    bool decoded =
        end == TRANSFER_DONE && answer_decode(buf_span(input), SPAN_LIT(""), &answer, &reason);
    if (input->mem != NULL) {
        explicit_bzero(input->mem, input->tail);
    }
    struct exchange x = {end, status, decoded ? &answer : NULL, false};
    struct verdict v = verdict_reach(&x);
    if (v.outcome == ETCD_OK && answer.token != NULL) {
        keep_token(a, answer.token);
    } else if (v.try_elsewhere && a->asks_left > 1) {
        endpoints_failed(a->endpoints, a->endpoint);
        a->asks_left--;
        ask(a);
    } else {
        give_up(a, v.outcome, decoded ? answer.message : reason);
    }
    if (decoded) {
        answer_deinit(&answer);
    }
}

static void
ask(struct auth *a)
{
    static const struct transfer_events events = {NULL, on_answer};
    char password[PASSWORD_BYTES_MAX];
    size_t len = read_password(a->password_file, password);
    struct buf body = BUF_EMPTY;
    encode_authenticate(&body, span_cstr(a->user), span_make(password, len));
    a->endpoint = a->endpoints->current;
    char *url = mem_printf("%s/v3/auth/authenticate", a->endpoints->urls[a->endpoint]);
    struct transfer_request request = {
        .url = url,
        .body = buf_span(&body),
        .deadline_ms = a->deadline_ms,
        .response_max = ANSWER_BYTES_MAX,
        .may_send_twice = true,
    };
    metric_add(a->metrics, METRIC_ID_ETCD_REQUESTS, 1);
    metric_add(a->metrics, METRIC_ID_ETCD_AUTHENTICATIONS, 1);
    a->transfer = transport_begin(a->transport, &request, &events, a);
    free(url);
    explicit_bzero(password, sizeof(password));
    explicit_bzero(body.mem, body.tail);
    buf_deinit(&body);
}

/* --- waiting ---------------------------------------------------------------- */
void
auth_init_waiter(struct auth_waiter *w,
                 void (*ready)(void *arg, enum etcd_outcome outcome, const char *error), void *arg)
{
    *w = (struct auth_waiter){.ready = ready, .arg = arg};
    list_init(&w->link);
}

void
auth_wait(struct auth *a, uint64_t stale, struct auth_waiter *w)
{
    if (auth_number(a) > stale) {
        w->ready(w->arg, ETCD_OK, "");
        return;
    }
    list_push_back(&a->waiters, &w->link);
    if (a->transfer == NULL) {
        a->asks_left = a->endpoints->count;
        ask(a);
    }
}

void
auth_forget(struct auth_waiter *w)
{
    list_remove(&w->link);
}
