/* Every applicable client of t/data/ring_vectors.csv.gz, to the key; and what
 * those vectors do not reach. */
#include "common/core/mem.h"
#include "common/fleet/ketama.h"
#include "common/fleet/ringcheck.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <zlib.h>

#define KEYS 200

static struct ringcheck *
check_vectors(void)
{
    const char *top = getenv("top_srcdir");
    char *path = mem_printf("%s/t/data/ring_vectors.csv.gz", top != NULL ? top : ".");
    gzFile file = gzopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    struct ringcheck *check = ringcheck_create(NULL);
    char line[65536];
    while (gzgets(file, line, sizeof(line)) != NULL) {
        ringcheck_line(check, span_make(line, strcspn(line, "\n")));
    }
    gzclose(file);
    free(path);
    return check;
}

START_TEST(every_served_client_agrees_to_the_key)
{
    struct ringcheck *check = check_vectors();
    unsigned served = 0;
    for (unsigned i = 0; i < ringcheck_count(check); i++) {
        const struct ringcheck_tally *t = ringcheck_tally(check, i);
        if (t->differ > 0) {
            ringcheck_print(check, stdout);
        }
        ck_assert_msg(t->differ == 0 && t->malformed == 0, "%s", t->scheme);
        if (ring_scheme_find(span_cstr(t->scheme)) != NULL) {
            ck_assert_uint_eq(t->unsupported, 0);
            ck_assert_uint_ge(t->agree, 3 * (KEYS - 1));
            served++;
        }
    }
    ck_assert_uint_ge(served, 28);
    ck_assert(ringcheck_agrees(check));
    ringcheck_destroy(&check);
}
END_TEST

START_TEST(points_are_counted_in_float32)
{
    /* Sizes of equal pools whose servers do not get 160 points. */
    static const unsigned fewer[] = {25, 47, 50, 55, 61, 71, 94, 100, 107};
    for (size_t i = 0; i < sizeof(fewer) / sizeof(fewer[0]); i++) {
        ck_assert_uint_eq(ketama_weighted_points(1, fewer[i], fewer[i]), 156);
    }
    ck_assert_uint_eq(ketama_weighted_points(1, 3, 3), 160);
    ck_assert_uint_eq(ketama_weighted_points(1, 24, 24), 160);
    ck_assert_uint_eq(ketama_weighted_points(5, 8, 3), 300);
    ck_assert_uint_eq(ketama_weighted_points(1, 19000, 20), 0);
}
END_TEST

static struct ring *
ring_of(enum ring_kind kind, enum key_hash hash, const struct ring_server *servers, unsigned count)
{
    const char *error = NULL;
    struct ring_config config = {kind, hash};
    struct ring *ring = ring_create(&config, servers, count, &error);
    ck_assert_msg(ring != NULL, "%s", error);
    return ring;
}

START_TEST(one_server_owns_all_without_a_hash)
{
    struct ring_server one = {.host = "a", .port = 1, .weight = 7};
    struct ring *ring = ring_of(RING_TWEMPROXY, KEY_HASH_MURMUR, &one, 1);
    uint32_t point = 1;
    ck_assert_uint_eq(ring_hash(ring, SPAN_LIT("k")), 0);
    ck_assert_uint_eq(ring_lookup_hash(ring, 77, &point), 0);
    ck_assert_uint_eq(point, 0);
    ck_assert_uint_eq(ring_lookup(ring, SPAN_LIT("k")), 0);
    ring_destroy(&ring);
    ck_assert_ptr_null(ring);
}
END_TEST

START_TEST(bad_lists_are_refused)
{
    struct ring_config config = {RING_LIBMEMCACHED, KEY_HASH_MD5};
    struct ring_server servers[2] = {{.host = "a", .port = 1, .weight = 1},
                                     {.host = "b", .port = 1, .weight = 0}};
    const char *error = NULL;
    ck_assert_ptr_null(ring_create(&config, servers, 0, &error));
    ck_assert_str_eq(error, "a ring needs a server");
    ck_assert_ptr_null(ring_create(&config, servers, 2, &error));
    ck_assert_str_eq(error, "a server's weight is out of range");
    servers[1].weight = RING_WEIGHT_MAX + 1;
    ck_assert_ptr_null(ring_create(&config, servers, 2, &error));
    ck_assert_ptr_null(ring_create(&config, servers, RING_SERVERS_MAX + 1, &error));
}
END_TEST

/* A ring whose points are known must equal one whose label was given by hand. */
static void
assert_label(enum ring_kind kind, struct ring_server server, const char *label)
{
    struct ring_server other = {.host = "10.0.0.9", .port = 11311, .weight = 1};
    struct ring_server by_name = server;
    by_name.name = label;
    struct ring_server a[] = {server, other}, b[] = {by_name, other};
    struct ring *one = ring_of(kind, KEY_HASH_MD5, a, 2);
    struct ring *two = ring_of(kind, KEY_HASH_MD5, b, 2);
    char sha_one[RING_SHA_CHARS + 1], sha_two[RING_SHA_CHARS + 1];
    ring_sha(one, sha_one);
    ring_sha(two, sha_two);
    ck_assert_str_eq(sha_one, sha_two);
    ring_destroy(&one);
    ring_destroy(&two);
}

START_TEST(labels_follow_each_client)
{
    struct ring_server tcp = {.host = "cache1", .port = 11212, .weight = 1};
    struct ring_server legacy = {.host = "cache1", .port = 11211, .weight = 1};
    struct ring_server unix_socket = {.host = "/run/m.sock", .port = 0, .weight = 1};
    assert_label(RING_LIBMEMCACHED, tcp, "cache1:11212");
    assert_label(RING_LIBMEMCACHED, legacy, "cache1");
    assert_label(RING_LIBMEMCACHED, unix_socket, "/run/m.sock:0");
    assert_label(RING_LIBMEMCACHED_KETAMA, unix_socket, "/run/m.sock:0");
    assert_label(RING_TWEMPROXY, legacy, "cache1");
    assert_label(RING_TWEMPROXY, unix_socket, "/run/m.sock:");
}
END_TEST

START_TEST(equal_points_go_to_the_lower_index)
{
    /* Same label twice: every point is a tie. */
    struct ring_server twins[] = {{.host = "a", .port = 1, .weight = 1},
                                  {.host = "a", .port = 1, .weight = 1}};
    struct ring *ring = ring_of(RING_LIBMEMCACHED, KEY_HASH_MD5, twins, 2);
    ck_assert_uint_eq(ring_points_of(ring, 1), 160);
    for (uint64_t hash = 0; hash < UINT32_MAX; hash += 9999991) {
        uint32_t point;
        ck_assert_uint_eq(ring_lookup_hash(ring, (uint32_t)hash, &point), 0);
    }
    ring_destroy(&ring);
}
END_TEST

START_TEST(lookup_is_the_first_point_not_below)
{
    struct continuum c;
    static const uint32_t points[] = {0xfffffff0, 0x10, 0x20, 0x20, 0x80000000};
    continuum_init(&c, 5);
    for (unsigned i = 0; i < 5; i++) {
        continuum_add(&c, points[i], i);
    }
    continuum_seal(&c);
    static const struct {
        uint32_t hash;
        unsigned server;
    } cases[] = {{0, 1},          {0x10, 1},       {0x11, 2},       {0x20, 2},
                 {0x21, 4},       {0x80000000, 4}, {0x80000001, 0}, {0xfffffff0, 0},
                 {0xfffffff1, 1}, {UINT32_MAX, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned at = continuum_at_or_after(&c, cases[i].hash);
        ck_assert_uint_eq(c.servers[at], cases[i].server);
    }
    continuum_deinit(&c);
}
END_TEST

START_TEST(sha_knows_every_part_of_a_placement)
{
    struct ring_server servers[] = {{.host = "a", .port = 1, .weight = 1},
                                    {.host = "b", .port = 1, .weight = 1}};
    char base[RING_SHA_CHARS + 1], other[RING_SHA_CHARS + 1];
    struct ring *ring = ring_of(RING_LIBMEMCACHED, KEY_HASH_MD5, servers, 2);
    ring_sha(ring, base);
    ring_destroy(&ring);
    /* The same on every machine and in every later build. */
    ck_assert_str_eq(base, "3deafa6351713211f2df1fcc61949eb54389d8b49e2e7cdc284159a3273fbdc5");

    ring = ring_of(RING_LIBMEMCACHED, KEY_HASH_CRC32, servers, 2);
    ring_sha(ring, other);
    ck_assert_str_ne(base, other);
    ring_destroy(&ring);

    servers[1].weight = 2;
    ring = ring_of(RING_LIBMEMCACHED, KEY_HASH_MD5, servers, 2);
    ring_sha(ring, other);
    ck_assert_str_ne(base, other);
    ring_destroy(&ring);
}
END_TEST

START_TEST(names_are_found)
{
    ck_assert_int_eq(ring_kind_find(SPAN_LIT("twemproxy")), RING_TWEMPROXY);
    ck_assert_int_eq(ring_kind_find(SPAN_LIT("")), RING_KIND_COUNT);
    ck_assert_str_eq(ring_kind_name(RING_LIBMEMCACHED), "libmemcached");
    ck_assert_int_eq(ring_kind_default_hash(RING_TWEMPROXY), KEY_HASH_FNV1A_64);
}
END_TEST

static const struct ringcheck_tally *
check_line(struct ringcheck *check, const char *line)
{
    ringcheck_line(check, span_cstr(line));
    return ringcheck_tally(check, ringcheck_count(check) - 1);
}

START_TEST(ringcheck_tells_the_outcomes_apart)
{
    struct ringcheck *check = ringcheck_create(NULL);
    check_line(check, "scheme,servers,key,server");
    check_line(check, "");
    ck_assert_uint_eq(ringcheck_count(check), 0);
    ck_assert(!ringcheck_agrees(check));

    const char *good = "pylibmc-ketama,h:1:1,\"a \"\"quoted\"\", key\",h:1\r";
    ck_assert_uint_eq(check_line(check, good)->agree, 1);
    ck_assert(ringcheck_agrees(check));
    ck_assert_uint_eq(check_line(check, "some-client,h:1:1,k,h:1")->unsupported, 1);
    ck_assert(ringcheck_agrees(check));

    const struct ringcheck_tally *t = check_line(check, "pylibmc-ketama_weighted,h:1:1,k,x:1");
    ck_assert_uint_eq(t->differ, 1);
    ck_assert_str_eq(t->differences[0].key, "k");
    ck_assert_str_eq(t->differences[0].expected, "x:1");
    ck_assert_str_eq(t->differences[0].ours, "h:1");
    ck_assert(!ringcheck_agrees(check));
    ringcheck_destroy(&check);
}
END_TEST

START_TEST(ringcheck_survives_lines_that_are_none)
{
    static const char *const lines[] = {
        ",",
        "a,b,c",
        "a,b,c,d,e",
        "a,b,c,d,",
        "\"a,b,c,d",
        "\"a\"x,b,c,d",
        "pylibmc-ketama,,k,h",
        "pylibmc-ketama,h:1:0,k,h",
        "pylibmc-ketama,h:1:4294967297,k,h",
        "pylibmc-ketama,h,k,h",
        "pylibmc-ketama,h:1:1  h:2:1,k,h",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct ringcheck *check = ringcheck_create(NULL);
        ck_assert_msg(check_line(check, lines[i])->malformed == 1, "%s", lines[i]);
        ck_assert(!ringcheck_agrees(check));
        ringcheck_destroy(&check);
    }
}
END_TEST

UNIT_MAIN("ring", every_served_client_agrees_to_the_key, points_are_counted_in_float32,
          one_server_owns_all_without_a_hash, bad_lists_are_refused, labels_follow_each_client,
          equal_points_go_to_the_lower_index, lookup_is_the_first_point_not_below,
          sha_knows_every_part_of_a_placement, names_are_found, ringcheck_tells_the_outcomes_apart,
          ringcheck_survives_lines_that_are_none)
