/* soakcall.h - a command on its way: what it does (soakmodel.h) and how it is
 * said, in text or meta. Pure. */
#pragma once
#include "t/soak/soakboard.h"
#include "t/soak/soakmodel.h"

enum soak_dialect {
    SAY_GET,  /* get, gets, gat, gats; several calls may be one line */
    SAY_TEXT, /* the other classic commands */
    SAY_META,
    SAY_MN,
    SAY_ME,
};

struct soak_call {
    struct soak_deed deed;
    enum soak_dialect dialect;
    bool first, last;        /* of a line of gets */
    bool silent;             /* noreply */
    bool quiet;              /* q: only what is unusual is answered */
    bool base64;             /* the key */
    bool ask_cas;            /* gets, c */
    bool ask_value;          /* v */
    bool ask_flags;          /* f */
    bool ask_ttl;            /* t */
    bool ask_size;           /* s */
    bool ask_key;            /* k */
    uint32_t opaque;         /* of meta commands */
    struct soak_bound bound; /* of the key when it was sent, for readers */
};

/* Appends the command's bytes. */
void soak_call_put(const struct soak_call *call, struct buf *out);

/* May the key be sent in base64? Its form may not be longer than a key. */
bool soak_call_encodable(uint32_t id);

/* For a report. */
const char *soak_effect_name(enum soak_effect effect);
