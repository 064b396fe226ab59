/* calls.h - the system calls of the hot path, without glibc's cancellation points.
 *
 * In a process with threads glibc surrounds recv(), send() and epoll_wait() with
 * two calls that switch the thread's cancellation type, some 45 instructions each
 * time. Nobody here cancels a thread. Errors are told in errno as always.
 *
 * Sanitizers watch glibc's functions, so with them those are called. */
#pragma once
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

static inline ssize_t
call_recv(int fd, void *to, size_t room)
{
    return syscall(SYS_recvfrom, fd, to, room, 0, NULL, NULL);
}

static inline ssize_t
call_send(int fd, const void *bytes, size_t n)
{
    return syscall(SYS_sendto, fd, bytes, n, MSG_NOSIGNAL, NULL, 0);
}

static inline int
call_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    return (int)syscall(SYS_epoll_pwait, epoll_fd, events, max, timeout_ms, NULL, 0);
}

#endif
