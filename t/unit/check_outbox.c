/* The outbox against a socket that takes little at a time: every byte once, in
 * order, and every reference given back. */
#include "cached/outbox.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW_MS 1000

static struct store *st;
static struct store_thread *th;
static int fds[2];
static struct outbox box;
static struct buf wanted, got;

static void
begin(void)
{
    struct store_options options = {.memory_bytes = 64 << 20,
                                    .item_max_bytes = 1 << 20,
                                    .concurrency = 1,
                                    .evict = true,
                                    .cas = true};
    int small = 4096;
    st = store_create(&options);
    th = store_join(st);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    box = (struct outbox){0};
}

static void
end(void)
{
    outbox_deinit(&box, th);
    store_flush(th, 0, NOW_MS);
    for (int i = 0; i < 200; i++) {
        store_sweep(th, 0, 1, 1000, NOW_MS);
    }
    ck_assert_uint_eq(store_info(st).memory_bytes, store_info(st).table_bytes);
    store_destroy(&st);
    buf_deinit(&wanted);
    buf_deinit(&got);
    close(fds[0]);
    close(fds[1]);
}

static void
put_text(const char *text)
{
    outbox_put_span(&box, span_cstr(text));
    buf_append_span(&wanted, span_cstr(text));
}

/* Stores a value of this length, puts it, and deletes the key, so that only the
 * outbox refers to it. */
static void
put_value(size_t len, char fill)
{
    struct store_key key = store_key(SPAN_LIT("k"));
    struct store_reservation r;
    struct store_write write = {0};
    struct store_written written;
    struct store_view view;
    ck_assert_int_eq(store_reserve(th, &key, len, &write, NOW_MS, &r), STORE_OK);
    memset(r.value, fill, len);
    ck_assert_int_eq(store_commit(th, &r, &write, NOW_MS, &written), STORE_OK);
    ck_assert_int_eq(store_get(th, &key, NULL, NOW_MS, &view), STORE_OK);
    buf_append(&wanted, view.value.ptr, len);
    buf_append(&wanted, "\r\n", STORE_TRAILER_BYTES);
    outbox_put_value(&box, th, &view);
    ck_assert_ptr_null(view.item);
    store_delete(th, &key, NULL, NOW_MS);
}

static void
read_some(size_t most)
{
    ssize_t n = read(fds[1], buf_room(&got, most), most);
    if (n > 0) {
        buf_grew(&got, (size_t)n);
    }
}

static void
pump(size_t most)
{
    uint64_t sent = buf_len(&wanted) - outbox_unsent(&box);
    while (outbox_send(&box, th, fds[0], &sent) == OUTBOX_MORE) {
        read_some(most);
    }
    while (buf_len(&got) < buf_len(&wanted)) {
        read_some(most);
    }
    ck_assert_uint_eq(sent, buf_len(&wanted));
    ck_assert_uint_eq(buf_len(&got), buf_len(&wanted));
    ck_assert_mem_eq(buf_span(&got).ptr, buf_span(&wanted).ptr, buf_len(&got));
    ck_assert_uint_eq(outbox_unsent(&box), 0);
}

START_TEST(sends_in_order_by_little)
{
    begin();
    static const size_t sizes[] = {0, 1, 2045, 2046, 2047, 5000, 3, 70000, 70000, 10, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put_text("VALUE k 0 ");
        put_value(sizes[i], (char)('a' + i));
    }
    put_value(9000, 'x');
    put_value(9000, 'y');
    put_text("END\r\n");
    ck_assert_uint_eq(outbox_unsent(&box), buf_len(&wanted));
    pump(1777);
    end();
}
END_TEST

START_TEST(goes_on_while_it_is_filled)
{
    begin();
    uint64_t sent = 0;
    for (int i = 0; i < 500; i++) {
        put_text("line\r\n");
        put_value(i % 3 == 0 ? 3000 : 30, (char)('a' + i % 26));
        ck_assert_int_ne(outbox_send(&box, th, fds[0], &sent), OUTBOX_BROKEN);
        if (i % 7 == 0) {
            read_some(8192);
        }
    }
    while (outbox_send(&box, th, fds[0], &sent) == OUTBOX_MORE) {
        read_some(8192);
    }
    while (buf_len(&got) < buf_len(&wanted)) {
        read_some(8192);
    }
    ck_assert_mem_eq(buf_span(&got).ptr, buf_span(&wanted).ptr, buf_len(&wanted));
    end();
}
END_TEST

static uint64_t
send_once(void)
{
    uint64_t sent = 0;
    ck_assert_int_eq(outbox_send(&box, th, fds[0], &sent), OUTBOX_MORE);
    return sent;
}

/* To a socket that takes all at once. */
START_TEST(much_goes_in_several_turns)
{
    begin();
    int large = 4 << 20;
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large));
    put_text("VALUE k 0 ");
    put_value(300000, 'a');
    put_value(9000, 'b');
    uint64_t first = send_once();
    ck_assert_uint_le(first, OUTBOX_TURN_MAX);
    ck_assert_uint_le(send_once(), OUTBOX_TURN_MAX);
    while (buf_len(&got) < first) {
        read_some(65536);
    }
    uint64_t sent = 0;
    while (buf_len(&got) < buf_len(&wanted)) {
        ck_assert_int_ne(outbox_send(&box, th, fds[0], &sent), OUTBOX_BROKEN);
        read_some(65536);
    }
    ck_assert_mem_eq(buf_span(&got).ptr, buf_span(&wanted).ptr, buf_len(&wanted));
    end();
}
END_TEST

START_TEST(more_pieces_than_one_send_takes)
{
    begin();
    for (int i = 0; i < 300; i++) {
        put_value(2500, (char)('a' + i % 26));
    }
    pump(65536);
    end();
}
END_TEST

START_TEST(short_values_are_copied_long_ones_referred_to)
{
    begin();
    put_value(OUTBOX_COPY_MAX - STORE_TRAILER_BYTES, 'c');
    ck_assert_uint_eq(box.referenced, 0);
    put_value(OUTBOX_COPY_MAX - STORE_TRAILER_BYTES + 1, 'r');
    ck_assert_uint_eq(box.referenced, OUTBOX_COPY_MAX + 1);
    pump(65536);
    outbox_trim(&box);
    ck_assert_ptr_null(box.bytes.mem);
    ck_assert_ptr_null(box.pieces);
    end();
}
END_TEST

/* What was sent by halves, what shares its segment and what does not: all comes in
 * order, and only the latter are still referred to. */
START_TEST(lets_go_of_what_shares_its_memory)
{
    begin();
    static const size_t sizes[] = {5000, 9000, 3000, 300000, 4000, 10, 5000, 200000, 7000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put_text("VALUE k 0 ");
        put_value(sizes[i], (char)('a' + i));
        if (i == 2) {
            uint64_t sent = 0;
            ck_assert_int_eq(outbox_send(&box, th, fds[0], &sent), OUTBOX_MORE);
            ck_assert_uint_gt(sent, 0);
        }
    }
    put_text("END");
    size_t unsent = outbox_unsent(&box);
    ck_assert(outbox_let_go(&box, th));
    ck_assert_uint_eq(outbox_unsent(&box), unsent);
    ck_assert_uint_eq(box.count - box.first, 2);
    ck_assert_uint_eq(box.referenced, 300000 + 200000 + 2 * STORE_TRAILER_BYTES);
    ck_assert(outbox_let_go(&box, th)); /* nothing is left to do */
    put_text("VALUE k 0 ");
    put_value(8000, 'z');
    while (outbox_send(&box, th, fds[0], &(uint64_t){0}) == OUTBOX_MORE) {
        read_some(3001);
    }
    while (buf_len(&got) < buf_len(&wanted)) {
        read_some(3001);
    }
    ck_assert_mem_eq(buf_span(&got).ptr, buf_span(&wanted).ptr, buf_len(&wanted));
    end();
}
END_TEST

START_TEST(gives_references_back_unsent)
{
    begin();
    put_value(100000, 'x');
    uint64_t sent = 0;
    ck_assert_int_eq(outbox_send(&box, th, fds[0], &sent), OUTBOX_MORE);
    end(); /* looks at the memory accounts */
}
END_TEST

START_TEST(says_when_the_peer_is_gone)
{
    begin();
    put_text("x");
    close(fds[1]);
    uint64_t sent = 0;
    ck_assert_int_eq(outbox_send(&box, th, fds[0], &sent), OUTBOX_BROKEN);
    fds[1] = dup(fds[0]);
    end();
}
END_TEST

UNIT_MAIN("outbox", sends_in_order_by_little, goes_on_while_it_is_filled,
          lets_go_of_what_shares_its_memory, more_pieces_than_one_send_takes,
          much_goes_in_several_turns, short_values_are_copied_long_ones_referred_to,
          gives_references_back_unsent, says_when_the_peer_is_gone)
