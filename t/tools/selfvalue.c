#include "t/tools/selfvalue.h"

#include <pthread.h>
#include <string.h>

/* Values are windows into one block of noise, so that making and comparing one
 * is a memcpy or memcmp and the tool can outrun what it measures. */
#define NOISE_BYTES (1u << 20)

static char noise[NOISE_BYTES];

static void
noise_make(void)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < NOISE_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = (char)(x >> 32);
    }
}

static const char *
noise_of(uint32_t id)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, noise_make);
    return noise + id * 2654435761u % (NOISE_BYTES - SELFVALUE_BYTES_MAX);
}

void
selfvalue_key(uint32_t id, char *out)
{
    static const char digits[] = "0123456789abcdef";
    out[0] = 't';
    out[1] = ':';
    for (unsigned i = 0; i < 8; i++) {
        out[2 + i] = digits[id >> (28 - 4 * i) & 15];
    }
}

size_t
selfvalue_bytes(uint32_t id, size_t min, size_t max)
{
    /* The product of two uniform fractions: half of the values lie below a
     * fifth of the range. */
    uint64_t mix = id * 0x9e3779b97f4a7c15u;
    uint64_t product = (mix >> 48) * (mix >> 16 & 0xffff);
    return min + (size_t)((max - min) * product >> 32);
}

uint32_t
selfvalue_flags(uint32_t id)
{
    return id & 0xffff;
}

void
selfvalue_fill(uint32_t id, char *out, size_t bytes)
{
    char key[SELFVALUE_KEY_CHARS];
    selfvalue_key(id, key);
    size_t head = bytes < sizeof(key) ? bytes : sizeof(key);
    memcpy(out, key, head);
    memcpy(out + head, noise_of(id), bytes - head);
}

bool
selfvalue_equals(uint32_t id, struct span value)
{
    char key[SELFVALUE_KEY_CHARS];
    selfvalue_key(id, key);
    return value.len >= sizeof(key) && value.len <= SELFVALUE_BYTES_MAX &&
           memcmp(value.ptr, key, sizeof(key)) == 0 &&
           memcmp(value.ptr + sizeof(key), noise_of(id), value.len - sizeof(key)) == 0;
}
