/* What sockets are told. */
#include "common/net/sock.h"
#include "t/unit/unit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int
option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    ck_assert_int_eq(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

START_TEST(sockets_are_not_probed_together)
{
    unsigned of[121] = {0}, most = 0;
    for (int i = 0; i < 300; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        sock_keepalive(fd, 60, 10, 5);
        int idle_s = option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE);
        int interval_s = option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL);
        ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
        ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 5);
        ck_assert(idle_s >= 60 && idle_s <= 120);
        ck_assert(interval_s >= 10 && interval_s <= 15);
        most = ++of[idle_s] > most ? of[idle_s] : most;
        close(fd);
    }
    ck_assert_uint_lt(most, 50); /* five on the average */
}
END_TEST

UNIT_MAIN("sock", sockets_are_not_probed_together)
