/* request_plain.h - the lines that most input is made of, without the general
 * parser: "get <key>+", "set <key> <flags> <exptime> <bytes>" and "mg <key> <flag>*"
 * as clients write them, with single blanks, CRLF, and nothing else.
 *
 * What is recognised here means just what request_parse() makes of it. Whatever
 * is not, good or bad, whole or cut, is left to request_parse(): these say only
 * "not such a line". Nothing is remembered between calls. Pure. */
#pragma once
#include "common/proto/request.h"

/* The keys of the plain gets that `input` begins with, one behind the other, each
 * with its CRLF; at most `max`. Returns how many. */
unsigned request_plain_gets(struct span input, struct span *keys, unsigned max);

/* More keys in one line are not plain. */
#define PLAIN_KEYS_MAX 128

/* The keys of the line "get <key> <key> ..." that `input` begins with, with single
 * blanks and its CRLF right behind the last; returns how many. */
unsigned request_plain_multiget(struct span input, struct span keys[PLAIN_KEYS_MAX]);

struct plain_set {
    struct span key;
    struct span value;
    uint64_t flags;
    int64_t exptime;
    size_t bytes; /* line and value block */
};

/* The plain sets that `input` begins with, one behind the other and each with its
 * whole value, CRLF included; at most `max`. Returns how many. */
unsigned request_plain_sets(struct span input, struct plain_set *sets, unsigned max);

/* Flags with which an mg changes nothing and tells nothing of the past. Only O has
 * an argument. */
#define PLAIN_MG_FLAGS(X) X('b') X('c') X('f') X('k') X('q') X('s') X('t') X('v') X('O')

struct plain_mg {
    struct span wire_key; /* base64 if the flag b is there */
    struct span flags;    /* " v k Oabc", maybe of no bytes: each is a blank and a letter, */
    struct span opaque;   /* and what follows O, if that is there, is this */
    uint64_t present;     /* meta_bit(letter) of every flag given */
    size_t bytes;
};

/* The same for mg. Whether a base64 key is one is not looked at. */
unsigned request_plain_mgs(struct span input, struct plain_mg *mgs, unsigned max);
