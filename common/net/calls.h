/* calls.h - the system calls of the hot path, without glibc's cancellation points.
 *
 * In a process with threads glibc surrounds recv(), send() and epoll_wait() with
 * two calls that switch the thread's cancellation type, some 45 instructions each
 * time. Nobody here cancels a thread. Its syscall() costs some 20 more than the
 * instruction that it is about, which on x86-64 is therefore written here. Errors are
 * told in errno as always.
 *
 * Sanitizers watch glibc's functions, so with them those are called. */
#pragma once
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS_ARE_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define CALLS_ARE_WATCHED 1
#endif
#endif

#if defined(CALLS_ARE_WATCHED) || !defined(SYS_recvfrom) || !defined(SYS_sendto) ||                \
    !defined(SYS_epoll_pwait)

static inline ssize_t
call_recv(int fd, void *to, size_t room)
{
    return recv(fd, to, room, 0);
}

/* A peer that is gone is an error and no signal. */
static inline ssize_t
call_send(int fd, const void *bytes, size_t n)
{
    return send(fd, bytes, n, MSG_NOSIGNAL);
}

static inline int
call_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    return epoll_wait(epoll_fd, events, max, timeout_ms);
}

#else

#if defined(__x86_64__) && defined(__LP64__)

/* The kernel takes its arguments in registers, and leaves all but rcx and r11 as they
 * are; what it returns from -4095 to -1 is an error. */
static inline long
call_system(long number, long a, const void *b, long c, long d, const void *e, long f)
{
    register long r10 __asm__("r10") = d;
    register const void *r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (__builtin_expect((unsigned long)result > -4096ul, 0)) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

#else

static inline long
call_system(long number, long a, const void *b, long c, long d, const void *e, long f)
{
    return syscall(number, a, b, c, d, e, f);
}

#endif

static inline ssize_t
call_recv(int fd, void *to, size_t room)
{
    return call_system(SYS_recvfrom, fd, to, (long)room, 0, NULL, 0);
}

static inline ssize_t
call_send(int fd, const void *bytes, size_t n)
{
    return call_system(SYS_sendto, fd, bytes, (long)n, MSG_NOSIGNAL, NULL, 0);
}

static inline int
call_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    return (int)call_system(SYS_epoll_pwait, epoll_fd, events, max, timeout_ms, NULL, 0);
}

#endif
