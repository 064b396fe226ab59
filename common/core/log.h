/* log.h - one event a line, in logfmt, on stderr:
 *
 *     ts=2026-11-22T09:30:00.123Z level=warn event=backend_down node=a reason="connect: refused"
 *
 * The event's name is fixed text that people grep for; everything that varies
 * is a key=value pair behind it. Strings that others chose (keys, host names,
 * error texts) go through LOG_STR, which quotes and escapes them. Any thread:
 * a line is one write(2). */
#pragma once
#include "common/core/span.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines below this level are not written. Default LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "error", "warn", "info" or "debug"; false if it is none of them. */
bool log_level_find(struct span name, enum log_level *out);

/* Sends lines to `fd` instead of stderr (tests, daemons). */
void log_set_fd(int fd);

/* `fields` formats "k=v k=v", or "" for none. */
void log_event(enum log_level level, const char *event, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)

/* A value made safe for one logfmt field: quoted, control bytes escaped, cut
 * after 120 bytes. Lives in the caller's frame until the statement's block
 * ends. */
struct log_str {
    char text[512];
};
struct log_str log_quote(struct span s);
#define LOG_STR(cstr)  (log_quote(span_cstr(cstr)).text)
#define LOG_SPAN(span) (log_quote(span).text)

/* At most `per_second` lines from this place; the next line that passes says
 * how many were held back (suppressed=N). */
struct log_limit {
    _Atomic uint64_t second;
    _Atomic uint32_t passed;
    _Atomic uint32_t held;
};
bool log_limit_pass(struct log_limit *limit, unsigned per_second, uint32_t *held);

#define LOG_LIMITED(per_second, level, event, fields, ...)                                         \
    do {                                                                                           \
        static struct log_limit log_limit_;                                                        \
        uint32_t log_held_;                                                                        \
        if (log_limit_pass(&log_limit_, per_second, &log_held_)) {                                 \
            if (log_held_ > 0) {                                                                   \
                log_event(level, event, fields " suppressed=%u", ##__VA_ARGS__, log_held_);        \
            } else {                                                                               \
                log_event(level, event, fields, ##__VA_ARGS__);                                    \
            }                                                                                      \
        }                                                                                          \
    } while (0)
