#include "common/core/log.h"
#include "common/core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_BYTES  4096
#define LOG_VALUE_BYTES 120

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int log_level_now = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;

void
log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_now, (int)level, memory_order_relaxed);
}

enum log_level
log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

bool
log_level_find(struct span name, enum log_level *out)
{
    for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (span_eq_cstr(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void
log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

static size_t
write_prefix(char *line, size_t room, enum log_level level, const char *event)
{
    uint64_t now = clock_wall_ms();
    time_t sec = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&sec, &tm);
    size_t n = strftime(line, room, "ts=%Y-%m-%dT%H:%M:%S", &tm);
    int m = snprintf(line + n, room - n, ".%03uZ level=%s event=%s", (unsigned)(now % 1000),
                     level_names[level], event);
    return n + (size_t)m;
}

void
log_event(enum log_level level, const char *event, const char *fields, ...)
{
    if (level > log_get_level()) {
        return;
    }
    char line[LOG_LINE_BYTES];
    size_t n = write_prefix(line, sizeof(line), level, event);
    if (fields[0] != '\0') {
        line[n++] = ' ';
        va_list ap;
        va_start(ap, fields);
        int m = vsnprintf(line + n, sizeof(line) - n - 1, fields, ap);
        va_end(ap);
        size_t room = sizeof(line) - n - 2;
        n += m < 0 ? 0 : (size_t)m < room ? (size_t)m : room;
    }
    line[n++] = '\n';
    /* A log that cannot be written has nowhere to complain. */
    ssize_t ignored = write(atomic_load(&log_fd), line, n);
    (void)ignored;
}

struct log_str
log_quote(struct span s)
{
    static const char hex[] = "0123456789abcdef";
    struct log_str out;
    char *to = out.text;
    size_t len = s.len < LOG_VALUE_BYTES ? s.len : LOG_VALUE_BYTES;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    if (len < s.len) {
        memcpy(to, "...", 3);
        to += 3;
    }
    *to++ = '"';
    *to = '\0';
    return out;
}

bool
log_limit_pass(struct log_limit *limit, unsigned per_second, uint32_t *held)
{
    uint64_t second = clock_mono_ms() / 1000 + 1;
    uint64_t seen = atomic_load(&limit->second);
    *held = 0;
    if (seen != second && atomic_compare_exchange_strong(&limit->second, &seen, second)) {
        atomic_store(&limit->passed, 0);
        *held = atomic_exchange(&limit->held, 0);
    }
    if (atomic_fetch_add(&limit->passed, 1) < per_second) {
        return true;
    }
    atomic_fetch_add(&limit->held, *held + 1);
    return false;
}
