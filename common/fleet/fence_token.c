#include "common/fleet/fence_token.h"
#include "common/core/num.h"
#include "common/fleet/table.h"

#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS 16

static uint64_t
id_of(const char *name)
{
    SHA2_CTX sha;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint64_t id = 0;
    SHA256Init(&sha);
    SHA256Update(&sha, (const uint8_t *)name, strlen(name));
    SHA256Final(digest, &sha);
    for (unsigned i = 0; i < sizeof(id); i++) {
        id = id << 8 | digest[i];
    }
    return id;
}

struct fence_token
fence_token_of(const struct table *table)
{
    return (struct fence_token){
        .epoch = table->epoch,
        .min_epoch = table->min_epoch,
        .cluster = id_of(table->cluster),
        .incarnation = id_of(table->incarnation),
    };
}

size_t
fence_token_put(const struct fence_token *token, char out[FENCE_TOKEN_BYTES])
{
    return (size_t)snprintf(out, FENCE_TOKEN_BYTES,
                            "epoch %" PRIu64 " %" PRIu64 " %016" PRIx64 " %016" PRIx64 "\r\n",
                            token->epoch, token->min_epoch, token->cluster, token->incarnation);
}

static bool
parse_id(struct span word, uint64_t *id)
{
    *id = 0;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (c >= '0' && c <= '9') {
            *id = *id << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            *id = *id << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    return word.len == ID_DIGITS;
}

bool
fence_token_parse(const struct span *words, unsigned count, struct fence_token *out)
{
    return count == FENCE_TOKEN_WORDS && num_parse_u64(words[0], &out->epoch) && out->epoch > 0 &&
           num_parse_u64(words[1], &out->min_epoch) && out->min_epoch <= out->epoch &&
           parse_id(words[2], &out->cluster) && parse_id(words[3], &out->incarnation);
}

static bool
is_same(const struct fence *f, const struct fence_token *token)
{
    return token->cluster == f->cluster && token->incarnation == f->incarnation;
}

static void
raise_to(struct fence *f, const struct fence_token *token)
{
    f->cluster = token->cluster;
    f->incarnation = token->incarnation;
    f->min_epoch = token->min_epoch;
}

/* Of another incarnation: epochs may have begun anew. */
void
fence_take_table(struct fence *f, const struct fence_token *table)
{
    f->has_table = true;
    if (!is_same(f, table) || table->min_epoch > f->min_epoch) {
        raise_to(f, table);
    }
}

/* Without a table of its own the node belongs to the cluster that has fenced
 * somebody off first. An incarnation that an operator has recovered goes on with
 * higher epochs than any before. */
bool
fence_hear(struct fence *f, const struct fence_token *proxy)
{
    bool knows = f->has_table || f->min_epoch > 0;
    if (proxy->min_epoch <= f->min_epoch || (f->has_table && !is_same(f, proxy)) ||
        (knows && proxy->cluster != f->cluster)) {
        return false;
    }
    raise_to(f, proxy);
    return true;
}

bool
fence_refuses(const struct fence *f, const struct fence_token *proxy)
{
    return proxy->epoch < f->min_epoch && proxy->cluster == f->cluster;
}
