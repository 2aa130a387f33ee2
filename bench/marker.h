/* What every benchmark payload starts with: when it was due, and its number.
 *
 *     @<19 digits: CLOCK_MONOTONIC nanoseconds> <10 digits: sequence number>
 *
 * Plain digits survive every protocol (text frames, JSON strings, SSE lines) unchanged,
 * and "@" occurs nowhere else in a payload, so one scan finds every message of a stream.
 */
#ifndef BENCH_MARKER_H
#define BENCH_MARKER_H

#include <stdint.h>
#include <time.h>

enum {
    MARK_TIME = 19,
    MARK_NUMBER = 10,
    MARK_SIZE = 1 + MARK_TIME + 1 + MARK_NUMBER,
};

/* The key and accept values of the example in RFC 6455 section 1.3: a constant handshake. */
#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
