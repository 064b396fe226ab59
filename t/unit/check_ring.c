/* Every applicable client of t/data/ring_vectors.csv.gz, to the key; and what
 * those vectors do not reach. */
#include "common/core/mem.h"
#include "common/fleet/furc.h"
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
    ck_assert_uint_eq(served, 47);
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
    struct ring_hit hit = ring_locate(ring, SPAN_LIT("k"));
    ck_assert_uint_eq(hit.server, 0);
    ck_assert_uint_eq(hit.hash, 0);
    ck_assert_uint_eq(hit.point, 0);
    ck_assert_uint_eq(ring_lookup(ring, SPAN_LIT("k")), 0);
    ck_assert_uint_eq(ring_points(ring), 0);
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
    struct ring *one = ring_of(kind, ring_kind_default_hash(kind), a, 2);
    struct ring *two = ring_of(kind, ring_kind_default_hash(kind), b, 2);
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
    assert_label(RING_TWEMPROXY_MODULA, unix_socket, "/run/m.sock:");
    assert_label(RING_SPYMEMCACHED, legacy, "cache1:11211");
    assert_label(RING_EVCACHE, tcp, "cache1/cache1:11211");
    assert_label(RING_DALLI, legacy, "cache1:11211");
    assert_label(RING_DALLI, unix_socket, "/run/m.sock");
    assert_label(RING_RENDEZVOUS, legacy, "cache1:11211");
}
END_TEST

START_TEST(equal_points_go_to_the_lower_index)
{
    /* Same label twice: every point is a tie. */
    struct ring_server twins[] = {{.host = "a", .port = 1, .weight = 1},
                                  {.host = "a", .port = 1, .weight = 1}};
    struct ring *ring = ring_of(RING_LIBMEMCACHED, KEY_HASH_MD5, twins, 2);
    ck_assert_uint_eq(ring_points_of(ring, 1), 160);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_uint_eq(ring_lookup(ring, span_make(&i, sizeof(i))), 0);
    }
    ring_destroy(&ring);
}
END_TEST

START_TEST(many_keys_have_the_owners_that_each_has)
{
    struct ring_server servers[] = {{"a", 1, 1, NULL}, {"b", 1, 2, NULL}, {"c", 1, 1, NULL}};
    static char text[300][300];
    struct span keys[300];
    unsigned found[300];
    for (unsigned i = 0; i < 300; i++) {
        memset(text[i], 'x', i);
        keys[i] = span_make(text[i], i + (size_t)snprintf(text[i] + i, 300 - i, "%u", i * 7));
    }
    for (enum ring_kind kind = 0; kind < RING_KIND_COUNT * 2; kind++) {
        enum ring_kind own = kind % RING_KIND_COUNT;
        bool ours = ring_kind_default_hash(own) == KEY_HASH_OWN || kind == own;
        enum key_hash hash = ours ? ring_kind_default_hash(own) : KEY_HASH_FNV1A_64;
        struct ring *ring = ring_of(own, hash, servers, kind % 5 == 0 ? 1 : 3);
        ring_lookup_many(ring, keys, 290, found);
        for (unsigned i = 0; i < 290; i++) {
            ck_assert_uint_eq(found[i], ring_locate(ring, keys[i]).server);
        }
        ring_destroy(&ring);
    }
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
    continuum_seal(&c, CONTINUUM_TIES_TO_FIRST);
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

START_TEST(rings_with_a_hash_of_their_own_take_no_other)
{
    struct ring_server two[] = {{.host = "a", .port = 1, .weight = 1},
                                {.host = "b", .port = 1, .weight = 1}};
    const char *error = NULL;
    struct ring_config config = {RING_RENDEZVOUS, KEY_HASH_MD5};
    ck_assert_ptr_null(ring_create(&config, two, 2, &error));
    ck_assert_str_eq(error, "this ring hashes keys in its own way and no other");
    config = (struct ring_config){RING_LIBMEMCACHED, KEY_HASH_OWN};
    ck_assert_ptr_null(ring_create(&config, two, 2, &error));
    ck_assert_str_eq(error, "this ring has no way of its own to hash keys");
}
END_TEST

START_TEST(a_java_ring_gives_ties_to_the_last)
{
    struct ring_server twins[] = {{.host = "a", .port = 1, .weight = 1},
                                  {.host = "a", .port = 2, .weight = 1}};
    struct ring *ring = ring_of(RING_EVCACHE, KEY_HASH_MD5, twins, 2);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_uint_eq(ring_lookup(ring, span_make(&i, sizeof(i))), 1);
    }
    ring_destroy(&ring);
}
END_TEST

START_TEST(the_last_point_not_above)
{
    struct continuum c;
    static const uint32_t points[] = {0x10, 0x20, 0xfffffff0};
    continuum_init(&c, 3);
    for (unsigned i = 0; i < 3; i++) {
        continuum_add(&c, points[i], i);
    }
    continuum_seal(&c, CONTINUUM_TIES_TO_FIRST);
    ck_assert_uint_eq(continuum_at_or_before(&c, 0xf), 2);
    ck_assert_uint_eq(continuum_at_or_before(&c, 0x10), 0);
    ck_assert_uint_eq(continuum_at_or_before(&c, 0x1f), 0);
    ck_assert_uint_eq(continuum_at_or_before(&c, 0x20), 1);
    ck_assert_uint_eq(continuum_at_or_before(&c, UINT32_MAX), 2);
    continuum_deinit(&c);
}
END_TEST

START_TEST(modula_counts_slots)
{
    struct ring_server servers[] = {{.host = "bb", .port = 11211, .weight = 2},
                                    {.host = "a", .port = 11211, .weight = 3}};
    struct ring *ring = ring_of(RING_MODULA, KEY_HASH_CRC32A, servers, 2);
    ck_assert_uint_eq(ring_points(ring), 2);
    ring_destroy(&ring);
    ring = ring_of(RING_TWEMPROXY_MODULA, KEY_HASH_CRC32A, servers, 2);
    ck_assert_uint_eq(ring_points(ring), 5);
    ck_assert_uint_eq(ring_points_of(ring, 0), 2);
    ck_assert_uint_eq(ring_points_of(ring, 1), 3);
    /* CRC-32 of "123456789" is 0xcbf43926, slot 3 of 5; the shorter name comes first. */
    struct ring_hit hit = ring_locate(ring, SPAN_LIT("123456789"));
    ck_assert_uint_eq(hit.hash, 0xcbf43926);
    ck_assert_uint_eq(hit.point, 0xcbf43926 % 5);
    ck_assert_uint_eq(hit.server, hit.point < 3 ? 1 : 0);
    ring_destroy(&ring);
}
END_TEST

START_TEST(furc_moves_keys_to_the_new_server_only)
{
    for (unsigned k = 0; k < 2000; k++) {
        struct span key = span_make(&k, sizeof(k));
        uint32_t before = furc_owner(key, 1);
        ck_assert_uint_eq(before, 0);
        for (uint32_t n = 2; n < 40; n++) {
            uint32_t owner = furc_owner(key, n);
            ck_assert(owner == before || owner == n - 1);
            before = owner;
        }
        ck_assert_uint_lt(furc_owner(key, FURC_SERVERS_MAX), FURC_SERVERS_MAX);
    }
    uint32_t plain = furc_owner(SPAN_LIT("key"), 1000);
    ck_assert_uint_eq(furc_owner(SPAN_LIT("/region/cluster/key|#|more"), 1000), plain);
    ck_assert_uint_ne(furc_owner(SPAN_LIT("/region/key"), 1000), plain);
    furc_owner(SPAN_LIT(""), 1000);
    furc_owner(SPAN_LIT("/"), 1000);
    furc_owner(SPAN_LIT("|#|"), 1000);
}
END_TEST

/* Cut and wrong sequences are hashed by their bytes, and nothing is read past
 * the end. */
START_TEST(rendezvous_bears_any_bytes)
{
    struct ring_server servers[] = {{.host = "a", .port = 1, .weight = 1},
                                    {.host = "b", .port = 1, .weight = 1}};
    struct ring *ring = ring_of(RING_RENDEZVOUS, KEY_HASH_OWN, servers, 2);
    static const char *const keys[] = {
        "", "\xc3", "\xc3(", "\xe2\x82", "\xf0\x9f\x98", "\xff\xfe\x80", "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t len = strlen(keys[i]);
        char *exact = mem_dup(keys[i], len > 0 ? len : 1);
        ck_assert_uint_lt(ring_lookup(ring, span_make(exact, len)), 2);
        free(exact);
    }
    ring_destroy(&ring);
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

/* Whoever is taken off a ring leaves its keys to the first that follows. */
static void
check_successors(enum ring_kind kind, bool has_order)
{
    struct ring_server servers[6];
    static const char *const names[] = {"na", "nb", "nc", "nd", "ne", "nf"};
    struct ring_config config = {kind, ring_kind_default_hash(kind)};
    const char *error = NULL;
    for (unsigned i = 0; i < 6; i++) {
        servers[i] = (struct ring_server){names[i], 11211, 1, NULL};
    }
    struct ring *ring = ring_create(&config, servers, 6, &error);
    for (unsigned n = 0; n < 300; n++) {
        char text[16];
        unsigned out[8], left[8];
        struct span key = span_make(text, (size_t)snprintf(text, sizeof(text), "key%u", n));
        ck_assert_uint_eq(ring_successors(ring, key, out, 8), 6);
        ck_assert_uint_eq(out[0], ring_lookup(ring, key));
        for (unsigned i = 0; i < 6; i++) {
            for (unsigned j = 0; j < i; j++) {
                ck_assert_uint_ne(out[i], out[j]);
            }
        }
        ck_assert_uint_eq(ring_successors(ring, key, left, 3), 3);
        ck_assert_int_eq(memcmp(out, left, 3 * sizeof(out[0])), 0);
        ck_assert_uint_eq(ring_successors(ring, key, left, 1), 1);
        ck_assert_uint_eq(left[0], out[0]);
        struct ring_server others[5];
        unsigned count = 0;
        for (unsigned i = 0; i < 6 && n < 60 && has_order; i++) {
            if (i != out[0]) {
                others[count++] = servers[i];
            }
        }
        if (count == 5) {
            struct ring *without = ring_create(&config, others, 5, &error);
            unsigned next = ring_lookup(without, key);
            ck_assert_str_eq(others[next].host, servers[out[1]].host);
            ring_destroy(&without);
        } else if (!has_order) {
            ck_assert_uint_eq(out[1], (out[0] + 1) % 6);
        }
    }
    ring_destroy(&ring);
}

START_TEST(successors_are_different_and_the_next_on_the_ring)
{
    for (enum ring_kind kind = 0; kind < RING_KIND_COUNT; kind++) {
        bool has_order = kind != RING_MODULA && kind != RING_TWEMPROXY_MODULA &&
                         kind != RING_CRC32_MOD && kind != RING_MCROUTER_CH3;
        check_successors(kind, has_order);
    }
}
END_TEST

UNIT_MAIN("ring", successors_are_different_and_the_next_on_the_ring,
          every_served_client_agrees_to_the_key, points_are_counted_in_float32,
          one_server_owns_all_without_a_hash, bad_lists_are_refused, labels_follow_each_client,
          equal_points_go_to_the_lower_index, many_keys_have_the_owners_that_each_has,
          lookup_is_the_first_point_not_below, sha_knows_every_part_of_a_placement, names_are_found,
          rings_with_a_hash_of_their_own_take_no_other, a_java_ring_gives_ties_to_the_last,
          the_last_point_not_above, modula_counts_slots, furc_moves_keys_to_the_new_server_only,
          rendezvous_bears_any_bytes, ringcheck_tells_the_outcomes_apart,
          ringcheck_survives_lines_that_are_none)
