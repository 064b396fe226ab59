#include "control/etcd/transport.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/net/sock.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Connections per endpoint; more exchanges than that wait their turn, inside
 * their deadlines. Each watch keeps one. */
#define CONNECTIONS_MAX    48L
#define CONNECT_TIMEOUT_MS 1000L
#define KEEPALIVE_IDLE_S   10
#define KEEPALIVE_EVERY_S  5
#define KEEPALIVE_PROBES   3

struct transport {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    struct list transfers;
    struct list fed; /* streams with new bytes, to be told outside libcurl */
    char *ca_file;
    char *cert_file;
    char *key_file;
};

struct transfer {
    struct transport *transport;
    struct list link;
    struct list fed_link;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    struct buf input;
    size_t response_max;
    unsigned sendings;
    bool may_send_twice;
    bool too_large;
    const struct transfer_events *events;
    void *arg;
    char error[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void
init_curl(void)
{
    ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* --- results: told outside libcurl, which forbids re-entry ------------------ */
static enum transfer_end
how_it_ended(const struct transfer *x, CURLcode code)
{
    if (x->too_large) {
        return TRANSFER_TOO_LARGE;
    }
    if (code == CURLE_OK) {
        return TRANSFER_DONE;
    }
    if (x->sendings == 0) {
        return TRANSFER_NOT_SENT;
    }
    return code == CURLE_OPERATION_TIMEDOUT ? TRANSFER_TIMED_OUT : TRANSFER_BROKEN;
}

static void
finish(struct transfer *x, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    enum transfer_end end = how_it_ended(x, code);
    if (end == TRANSFER_DONE) {
        x->error[0] = '\0';
    } else if (end == TRANSFER_TOO_LARGE) {
        snprintf(x->error, sizeof(x->error), "the response passes %zu bytes", x->response_max);
    } else if (x->error[0] == '\0') {
        snprintf(x->error, sizeof(x->error), "%s", curl_easy_strerror(code));
    }
    x->events->done(x->arg, end, (int)status, &x->input, x->error);
}

static void
tell_fed(struct transport *t)
{
    for (struct list *it = list_pop_front(&t->fed); it != NULL; it = list_pop_front(&t->fed)) {
        struct transfer *x = LIST_ENTRY(it, struct transfer, fed_link);
        x->events->received(x->arg, &x->input);
    }
}

static void
destroy_transfer(struct transfer *x)
{
    list_remove(&x->link);
    list_remove(&x->fed_link);
    curl_multi_remove_handle(x->transport->multi, x->easy);
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    buf_deinit(&x->body);
    buf_deinit(&x->input);
    free(x);
}

static void
tell_done(struct transport *t)
{
    int left;
    for (CURLMsg *m = curl_multi_info_read(t->multi, &left); m != NULL;
         m = curl_multi_info_read(t->multi, &left)) {
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        struct transfer *x = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
        finish(x, code);
        destroy_transfer(x);
    }
}

static void
act(struct transport *t, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(t->multi, fd, what, &running);
    tell_fed(t);
    tell_done(t);
}

/* --- libcurl's wishes, carried out by the loop ------------------------------- */
struct watched_socket {
    struct transport *transport;
    struct loop_io io;
};

static void
on_socket(void *arg, int ready)
{
    struct watched_socket *s = arg;
    int what =
        (ready & LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
    act(s->transport, s->io.fd, what);
}

static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct transport *t = arg;
    struct watched_socket *s = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            loop_io_deinit(&s->io);
            free(s);
            curl_multi_assign(t->multi, fd, NULL);
        }
        return 0;
    }
    if (s == NULL) {
        s = mem_zalloc(sizeof(*s));
        s->transport = t;
        loop_io_init(&s->io, t->loop, fd, on_socket, s);
        curl_multi_assign(t->multi, fd, s);
    }
    int wanted = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    loop_io_want(&s->io, wanted);
    return 0;
}

static void
on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
want_timer(CURLM *multi, long ms, void *arg)
{
    struct transport *t = arg;
    if (ms < 0) {
        loop_timer_stop(&t->timer);
    } else {
        loop_timer_start(&t->timer, (uint64_t)ms);
    }
    return 0;
}

/* --- one exchange -------------------------------------------------------------- */
static size_t
on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *x = arg;
    size_t n = size * count;
    if (n > x->response_max - buf_len(&x->input) || !buf_append(&x->input, bytes, n)) {
        x->too_large = true;
        return 0;
    }
    if (x->events->received != NULL && !list_linked(&x->fed_link)) {
        list_push_back(&x->transport->fed, &x->fed_link);
    }
    return n;
}

/* Called with the connection ready and no byte of the request sent. */
static int
before_sending(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    struct transfer *x = arg;
    x->sendings++;
    return x->sendings == 1 || x->may_send_twice ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static int
on_new_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    sock_keepalive(fd, KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_PROBES);
    return CURL_SOCKOPT_OK;
}

static void
add_header(struct transfer *x, const char *header)
{
    struct curl_slist *longer = curl_slist_append(x->headers, header);
    ASSERT(longer != NULL);
    x->headers = longer;
}

static void
add_headers(struct transfer *x, const struct transfer_request *request)
{
    add_header(x, "Content-Type: application/json");
    add_header(x, "Accept: application/json");
    add_header(x, "Expect:");
    if (request->needs_leader) {
        add_header(x, "Grpc-Metadata-hasleader: true");
    }
    if (request->token != NULL) {
        char *line = mem_printf("Authorization: %s", request->token);
        add_header(x, line);
        free(line);
    }
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
}

static void
set_connection_options(struct transfer *x, const struct transfer_request *request)
{
    const struct transport *t = x->transport;
    curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(x->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x->easy, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
    curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)request->deadline_ms);
    curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, request->own_connection ? 1L : 0L);
    curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, request->own_connection ? 1L : 0L);
    if (t->ca_file != NULL) {
        curl_easy_setopt(x->easy, CURLOPT_CAINFO, t->ca_file);
    }
    if (t->cert_file != NULL) {
        curl_easy_setopt(x->easy, CURLOPT_SSLCERT, t->cert_file);
    }
    if (t->key_file != NULL) {
        curl_easy_setopt(x->easy, CURLOPT_SSLKEY, t->key_file);
    }
}

struct transfer *
transport_begin(struct transport *t, const struct transfer_request *request,
                const struct transfer_events *events, void *arg)
{
    struct transfer *x = mem_zalloc(sizeof(*x));
    x->transport = t;
    x->response_max = request->response_max;
    x->may_send_twice = request->may_send_twice;
    x->events = events;
    x->arg = arg;
    list_init(&x->fed_link);
    list_push_back(&t->transfers, &x->link);
    ASSERT(buf_append_span(&x->body, request->body));
    x->easy = curl_easy_init();
    ASSERT(x->easy != NULL);
    curl_easy_setopt(x->easy, CURLOPT_URL, request->url);
    curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
    curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
    curl_easy_setopt(x->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, buf_span(&x->body).ptr);
    curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(x->easy, CURLOPT_PREREQDATA, x);
    set_connection_options(x, request);
    add_headers(x, request);
    ASSERT(curl_multi_add_handle(t->multi, x->easy) == CURLM_OK);
    return x;
}

void
transfer_cancel(struct transfer **transfer)
{
    if (*transfer != NULL) {
        destroy_transfer(*transfer);
        *transfer = NULL;
    }
}

static char *
dup_or_null(const char *s)
{
    return s != NULL ? mem_strdup(s) : NULL;
}

struct transport *
transport_create(struct loop *loop, const char *ca_file, const char *cert_file,
                 const char *key_file)
{
    pthread_once(&curl_once, init_curl);
    struct transport *t = mem_zalloc(sizeof(*t));
    t->loop = loop;
    t->ca_file = dup_or_null(ca_file);
    t->cert_file = dup_or_null(cert_file);
    t->key_file = dup_or_null(key_file);
    list_init(&t->transfers);
    list_init(&t->fed);
    loop_timer_init(&t->timer, loop, on_timer, t);
    t->multi = curl_multi_init();
    ASSERT(t->multi != NULL);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_MAX);
    return t;
}

void
transport_destroy(struct transport **t)
{
    struct transport *it = *t;
    if (it == NULL) {
        return;
    }
    LIST_EACH_SAFE (link, &it->transfers) {
        destroy_transfer(LIST_ENTRY(link, struct transfer, link));
    }
    curl_multi_cleanup(it->multi);
    loop_timer_deinit(&it->timer);
    free(it->ca_file);
    free(it->cert_file);
    free(it->key_file);
    free(it);
    *t = NULL;
}
