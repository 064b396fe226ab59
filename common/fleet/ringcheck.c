#include "common/fleet/ringcheck.h"
#include "common/core/addrname.h"
#include "common/core/mem.h"
#include "common/core/num.h"

#include <inttypes.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 65536
#define COLUMNS        4
#define LEGACY_PORT    11211
#define POOL_SCHEME    "pool"

/* The ring of the line before, kept because the lines of a file come sorted: a
 * ring is built once a (scheme, servers), not once a key. */
struct cached_ring {
    char *scheme, *servers;
    const struct ring_scheme *found; /* NULL: no such ring here */
    char **labels;                   /* "host:port" of each server */
    unsigned count;
    struct ring *ring; /* NULL: unusable server list */
};

struct ringcheck {
    const struct table_pool *pool;
    struct cached_ring cached;
    struct ringcheck_tally *tallies;
    unsigned tally_count;
};

struct ringcheck *
ringcheck_create(const struct table_pool *pool)
{
    struct ringcheck *check = mem_zalloc(sizeof(*check));
    check->pool = pool;
    return check;
}

static void
drop_cached(struct cached_ring *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        free(c->labels[i]);
    }
    free(c->labels);
    free(c->scheme);
    free(c->servers);
    ring_destroy(&c->ring);
    *c = (struct cached_ring){0};
}

void
ringcheck_destroy(struct ringcheck **check)
{
    struct ringcheck *it = *check;
    if (it == NULL) {
        return;
    }
    for (unsigned i = 0; i < it->tally_count; i++) {
        struct ringcheck_tally *t = &it->tallies[i];
        for (unsigned d = 0; d < t->shown; d++) {
            free(t->differences[d].key);
            free(t->differences[d].expected);
            free(t->differences[d].ours);
        }
        free(t->scheme);
    }
    free(it->tallies);
    drop_cached(&it->cached);
    free(it);
    *check = NULL;
}

static struct ringcheck_tally *
tally_of(struct ringcheck *check, struct span scheme)
{
    for (unsigned i = check->tally_count; i-- > 0;) {
        if (span_eq_cstr(scheme, check->tallies[i].scheme)) {
            return &check->tallies[i];
        }
    }
    check->tallies =
        mem_realloc(check->tallies, (check->tally_count + 1) * sizeof(*check->tallies));
    struct ringcheck_tally *t = &check->tallies[check->tally_count++];
    *t = (struct ringcheck_tally){.scheme = mem_strndup(scheme.ptr, scheme.len)};
    return t;
}

/* --- one line ------------------------------------------------------------ */

/* Takes a quoted field (RFC 4180) off the front, writing it to `store`. */
static bool
take_quoted(struct span *rest, char *store, struct span *field)
{
    size_t n = 0;
    for (size_t i = 1; i < rest->len; i++) {
        if (rest->ptr[i] != '"') {
            store[n++] = rest->ptr[i];
        } else if (i + 1 < rest->len && rest->ptr[i + 1] == '"') {
            store[n++] = rest->ptr[i++];
        } else {
            *field = span_make(store, n);
            *rest = span_skip(*rest, i + 1);
            return rest->len == 0 || rest->ptr[0] == ',';
        }
    }
    return false;
}

static struct span
take_plain(struct span *rest)
{
    const char *comma = rest->len > 0 ? memchr(rest->ptr, ',', rest->len) : NULL;
    size_t n = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
    struct span field = span_make(rest->ptr, n);
    *rest = span_skip(*rest, n);
    return field;
}

/* Splits a line into exactly `want` fields. `store` has room for the line. */
static bool
split_csv(struct span line, char *store, struct span *fields, unsigned want)
{
    for (unsigned i = 0; i < want; i++) {
        if (line.len > 0 && line.ptr[0] == '"') {
            if (!take_quoted(&line, store, &fields[i])) {
                return false;
            }
            store += fields[i].len;
        } else {
            fields[i] = take_plain(&line);
        }
        if ((line.len > 0) != (i + 1 < want)) {
            return false;
        }
        line = line.len > 0 ? span_skip(line, 1) : line;
    }
    return true;
}

static bool
parse_server(struct span word, struct addr_name *name, uint32_t *weight)
{
    const char *colon = memrchr(word.ptr, ':', word.len);
    uint64_t number;
    if (colon == NULL ||
        !num_parse_u64(span_make(colon + 1, (size_t)(word.ptr + word.len - colon) - 1), &number) ||
        number > UINT32_MAX) {
        return false;
    }
    *weight = (uint32_t)number;
    return addr_parse(span_make(word.ptr, (size_t)(colon - word.ptr)), LEGACY_PORT, name);
}

static void
build_cached(struct cached_ring *c, struct span list)
{
    unsigned words = 1;
    for (size_t i = 0; i < list.len; i++) {
        words += list.ptr[i] == ' ';
    }
    struct addr_name *names = mem_zalloc(words * sizeof(*names));
    struct ring_server *servers = mem_zalloc(words * sizeof(*servers));
    c->labels = mem_zalloc(words * sizeof(*c->labels));
    bool ok = true;
    while (list.len > 0 && ok) {
        const char *blank = memchr(list.ptr, ' ', list.len);
        size_t n = blank != NULL ? (size_t)(blank - list.ptr) : list.len;
        struct ring_server *s = &servers[c->count];
        ok = parse_server(span_make(list.ptr, n), &names[c->count], &s->weight);
        s->host = names[c->count].host;
        s->port = names[c->count].port;
        s->weight = c->found->weights ? s->weight : 1;
        s->name = ring_scheme_label(c->found, s->host, s->port);
        c->labels[c->count++] = mem_printf("%s:%u", s->host, s->port);
        list = span_skip(list, blank != NULL ? n + 1 : n);
    }
    const char *why;
    c->ring = ok ? ring_create(&c->found->config, servers, c->count, &why) : NULL;
    for (unsigned i = 0; i < c->count; i++) {
        free((char *)servers[i].name);
    }
    free(servers);
    free(names);
}

static const struct cached_ring *
cached_ring(struct cached_ring *c, struct span scheme, struct span list)
{
    if (c->scheme != NULL && span_eq_cstr(scheme, c->scheme) && span_eq_cstr(list, c->servers)) {
        return c;
    }
    drop_cached(c);
    c->scheme = mem_strndup(scheme.ptr, scheme.len);
    c->servers = mem_strndup(list.ptr, list.len);
    c->found = ring_scheme_find(scheme);
    if (c->found != NULL) {
        build_cached(c, list);
    }
    return c;
}

static void
count_outcome(struct ringcheck_tally *t, bool same, struct span key, struct span expected,
              const char *ours)
{
    if (same) {
        t->agree++;
        return;
    }
    t->differ++;
    if (t->shown < RINGCHECK_SHOWN) {
        t->differences[t->shown++] = (struct ringcheck_difference){
            mem_strndup(key.ptr, key.len), mem_strndup(expected.ptr, expected.len),
            mem_strdup(ours)};
    }
}

static void
check_vector(struct ringcheck *check, const struct span fields[COLUMNS])
{
    const struct cached_ring *c = cached_ring(&check->cached, fields[0], fields[1]);
    struct ringcheck_tally *t = tally_of(check, fields[0]);
    if (c->found == NULL) {
        t->unsupported++;
        return;
    }
    if (c->ring == NULL) {
        t->malformed++;
        return;
    }
    struct keytag tag = {.strip_prefix = span_cstr(c->found->strip_prefix)};
    const char *ours = c->labels[ring_lookup(c->ring, keytag_part(&tag, fields[2]))];
    count_outcome(t, span_eq_cstr(fields[3], ours), fields[2], fields[3], ours);
}

/* Which of its names a user calls a node by is his choice. */
static bool
node_is_called(const struct table_node *node, struct span name)
{
    struct addr_name addr;
    return span_eq_cstr(name, node->id) || span_eq_cstr(name, node->addr) ||
           (node->ring_name != NULL && span_eq_cstr(name, node->ring_name)) ||
           (addr_parse(span_cstr(node->addr), LEGACY_PORT, &addr) && addr.port == LEGACY_PORT &&
            span_eq_cstr(name, addr.host));
}

static void
check_pool(struct ringcheck *check, const struct span fields[2])
{
    const struct table_node *node = &check->pool->nodes[table_pool_owner(check->pool, fields[0])];
    count_outcome(tally_of(check, SPAN_LIT(POOL_SCHEME)), node_is_called(node, fields[1]),
                  fields[0], fields[1], node->id);
}

static bool
is_header(const struct ringcheck *check, struct span line)
{
    return check->pool == NULL ? span_eq_cstr(line, "scheme,servers,key,server")
                               : span_eq_cstr(line, "key,server");
}

static void
count_malformed(struct ringcheck *check)
{
    tally_of(check, SPAN_LIT("(malformed)"))->malformed++;
}

void
ringcheck_line(struct ringcheck *check, struct span line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len == 0 || is_header(check, line)) {
        return;
    }
    struct span fields[COLUMNS];
    unsigned columns = check->pool == NULL ? COLUMNS : 2;
    char *store = mem_alloc(line.len);
    if (!split_csv(line, store, fields, columns)) {
        count_malformed(check);
    } else if (check->pool == NULL) {
        check_vector(check, fields);
    } else {
        check_pool(check, fields);
    }
    free(store);
}

bool
ringcheck_file(struct ringcheck *check, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n = getline(&line, &room, in); n >= 0; n = getline(&line, &room, in)) {
        struct span s = span_make(line, (size_t)n);
        if (s.len > 0 && s.ptr[s.len - 1] == '\n') {
            s.len--;
        }
        if (s.len > LINE_MAX_BYTES) {
            count_malformed(check);
        } else {
            ringcheck_line(check, s);
        }
    }
    free(line);
    return ferror(in) == 0;
}

/* --- what came out -------------------------------------------------------- */

unsigned
ringcheck_count(const struct ringcheck *check)
{
    return check->tally_count;
}

const struct ringcheck_tally *
ringcheck_tally(const struct ringcheck *check, unsigned i)
{
    return i < check->tally_count ? &check->tallies[i] : NULL;
}

/* Others wrote the names: what could steer a terminal is shown as '?'. */
static void
print_safe(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
}

static void
print_tally(const struct ringcheck_tally *t, FILE *out)
{
    print_safe(t->scheme, out);
    fprintf(out, ": %" PRIu64 " agree, %" PRIu64 " differ", t->agree, t->differ);
    if (t->unsupported > 0) {
        fprintf(out, ", %" PRIu64 " of a client whose ring is not served", t->unsupported);
    }
    if (t->malformed > 0) {
        fprintf(out, ", %" PRIu64 " malformed", t->malformed);
    }
    fputc('\n', out);
    for (unsigned i = 0; i < t->shown; i++) {
        fputs("    key \"", out);
        print_safe(t->differences[i].key, out);
        fputs("\": expected ", out);
        print_safe(t->differences[i].expected, out);
        fprintf(out, ", ring says %s\n", t->differences[i].ours);
    }
}

static struct ringcheck_tally
sum_of(const struct ringcheck *check)
{
    struct ringcheck_tally sum = {.scheme = NULL};
    for (unsigned i = 0; i < check->tally_count; i++) {
        sum.agree += check->tallies[i].agree;
        sum.differ += check->tallies[i].differ;
        sum.unsupported += check->tallies[i].unsupported;
        sum.malformed += check->tallies[i].malformed;
    }
    return sum;
}

void
ringcheck_print(const struct ringcheck *check, FILE *out)
{
    for (unsigned i = 0; i < check->tally_count; i++) {
        print_tally(&check->tallies[i], out);
    }
    struct ringcheck_tally sum = sum_of(check);
    fprintf(out,
            "sum: %" PRIu64 " agree, %" PRIu64 " differ, %" PRIu64 " unsupported, %" PRIu64
            " malformed\n",
            sum.agree, sum.differ, sum.unsupported, sum.malformed);
}

bool
ringcheck_agrees(const struct ringcheck *check)
{
    struct ringcheck_tally sum = sum_of(check);
    return sum.agree > 0 && sum.differ == 0 && sum.malformed == 0;
}

void
ringcheck_explain(const struct table_pool *pool, struct span key, FILE *out)
{
    struct span part = keytag_part(&pool->tag, key);
    struct ring_hit hit = ring_locate(pool->ring, part);
    const struct table_node *node = &pool->nodes[hit.server];
    fprintf(out, "pool    %s (ring %s, key_hash %s, %u nodes, %u points)\n", pool->name,
            ring_kind_name(pool->ring_config.kind), key_hash_name(pool->ring_config.hash),
            pool->node_count, ring_points(pool->ring));
    char *hashed = mem_strndup(part.ptr, part.len);
    fputs("hashed  ", out);
    print_safe(hashed, out);
    free(hashed);
    fprintf(out, "\nhash    %08" PRIx32 "\npoint   %08" PRIx32 "\n", hit.hash, hit.point);
    fprintf(out, "node    %s (%s, %s, weight %u, %u points)\n", node->id, node->addr,
            node_state_name(node->state), node->weight, ring_points_of(pool->ring, hit.server));
}
