#include "control/ctl.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/core/version.h"
#include "control/document.h"
#include "control/etcd/txn.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

void
ctl_complain(const struct ctl *ctl, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "mfctl%s%s: ", ctl->command != NULL ? " " : "",
            ctl->command != NULL ? ctl->command : "");
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

bool
ctl_connect(struct ctl *ctl)
{
    char prefix[PREFIX_MAX_BYTES];
    char *error = NULL;
    if (ctl->options.etcd.count == 0) {
        ctl_complain(ctl, "expected --etcd URL or MEMFLEET_ETCD, e.g. http://127.0.0.1:2379");
        return false;
    }
    if (ctl->options.cluster == NULL || !key_prefix(span_cstr(ctl->options.cluster), prefix)) {
        ctl_complain(ctl, "expected --cluster NAME or MEMFLEET_CLUSTER: 1 to 128 letters, digits "
                          "or ._:@-");
        return false;
    }
    struct etcd_options options = ETCD_ARGUMENTS_OPTIONS(&ctl->options, prefix);
    ctl->etcd = etcd_sync_open(&options, &error);
    if (ctl->etcd == NULL) {
        ctl_complain(ctl, "%s", error);
        free(error);
    }
    return ctl->etcd != NULL;
}

/* --- arguments ---------------------------------------------------------------- */

static bool
is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static void
add_argument(struct ctl_arguments *a, char *word)
{
    a->items = mem_realloc(a->items, (a->count + 1) * sizeof(*a->items));
    a->items[a->count++] = word;
}

void
ctl_arguments_deinit(struct ctl_arguments *a)
{
    free(a->items);
    *a = (struct ctl_arguments){0};
}

static bool
count_is(const struct ctl *ctl, unsigned count, unsigned want)
{
    if (count == want || want == CTL_ANY_ARGUMENTS) {
        return true;
    }
    ctl_complain(ctl, "expected %u argument%s, got %u (see mfctl help %s)", want,
                 want == 1 ? "" : "s", count, ctl->command);
    return false;
}

enum ctl_exit
ctl_parse(struct ctl *ctl, const struct option_table *table, int argc, char **argv, void *into,
          unsigned want, struct ctl_arguments *out)
{
    static const struct option_table no_options = {.summary = "Takes no options of its own."};
    struct option_table named = table != NULL ? *table : no_options;
    if (table == NULL) {
        named.usage = ctl->arguments + strspn(ctl->arguments, " ");
    }
    char *program = mem_printf("mfctl %s", ctl->command);
    named.program = program;
    named.version = MEMFLEET_VERSION;
    *out = (struct ctl_arguments){0};
    int first = 0;
    while (first < argc && !is_option(argv[first])) {
        add_argument(out, argv[first++]);
    }
    /* What getopt takes for the program's name is the word before. */
    int rest = 1;
    enum options_outcome outcome =
        options_parse(&named, argc - first + 1, argv + first - 1, into, &rest);
    for (int i = first - 1 + rest; outcome == OPTIONS_OK && i < argc; i++) {
        add_argument(out, argv[i]);
    }
    free(program);
    ctl->helped = outcome == OPTIONS_EXIT;
    if (outcome == OPTIONS_OK) {
        if (count_is(ctl, out->count, want) && (!ctl->needs_etcd || ctl_connect(ctl))) {
            return CTL_OK;
        }
        options_deinit(&named, into);
    }
    ctl_arguments_deinit(out);
    return CTL_USAGE;
}

/* --- etcd ----------------------------------------------------------------------- */

enum ctl_exit
ctl_check(const struct ctl *ctl, const struct etcd_reply *reply)
{
    if (reply->outcome == ETCD_OK) {
        return CTL_OK;
    }
    ctl_complain(ctl, "etcd at %s: %s (%s)", reply->endpoint != NULL ? reply->endpoint : "?",
                 reply->error, etcd_outcome_name(reply->outcome));
    return reply->outcome == ETCD_REFUSED ? CTL_NO : CTL_UNAVAILABLE;
}

enum ctl_exit
ctl_load(struct ctl *ctl, struct inventory *inv)
{
    inventory_init(inv);
    const struct etcd_reply *reply = etcd_sync_list(ctl->etcd, SPAN_LIT(""));
    enum ctl_exit status = ctl_check(ctl, reply);
    for (size_t i = 0; status == CTL_OK && i < reply->kv_count; i++) {
        const struct etcd_kv *it = &reply->kvs[i];
        struct inventory_kv kv = {it->key, it->value, it->create_revision, it->mod_revision,
                                  it->lease};
        inventory_put(inv, &kv, 0);
    }
    if (status == CTL_OK && inventory_incarnation(inv) == NULL) {
        ctl_complain(ctl, "there is no cluster '%s' in this etcd: run mfctl init first",
                     ctl->options.cluster);
        status = CTL_NO;
    }
    if (status != CTL_OK) {
        inventory_deinit(inv);
    }
    return status;
}

enum ctl_exit
ctl_look(struct ctl *ctl, int argc, char **argv, struct inventory *inv)
{
    struct ctl_arguments none;
    enum ctl_exit status = ctl_parse(ctl, NULL, argc, argv, NULL, 0, &none);
    return status == CTL_OK ? ctl_load(ctl, inv) : status;
}

enum ctl_exit
ctl_load_table(struct ctl *ctl, const struct inventory *inv, struct table **out)
{
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX] = "no table was published yet";
    *out = NULL;
    enum document_result result = document_join(inv, &text, error);
    if (result == DOCUMENT_JOINED) {
        *out = table_parse(buf_span(&text), error);
    }
    buf_deinit(&text);
    if (*out == NULL) {
        ctl_complain(ctl, "%s", error);
    }
    return *out != NULL ? CTL_OK : CTL_NO;
}

struct table *
ctl_load_table_if_any(struct ctl *ctl, const struct inventory *inv)
{
    struct table *table = NULL;
    if (inventory_single(inv, KEY_HEAD) != NULL) {
        ctl_load_table(ctl, inv, &table);
    }
    return table;
}

static struct etcd_txn *
compose_write(const struct inventory *inv, struct key key, const struct inventory_item *item,
              const char *text)
{
    struct etcd_txn *txn = etcd_txn_create();
    etcd_txn_if_unchanged(txn, span_cstr(key_path(KEY_META)),
                          inventory_single(inv, KEY_META)->mod_revision);
    etcd_txn_if_unchanged(txn, span_cstr(key.text), item != NULL ? item->mod_revision : 0);
    etcd_txn_put(txn, ETCD_THEN, span_cstr(key.text), span_cstr(text), 0);
    return txn;
}

enum ctl_exit
ctl_write(struct ctl *ctl, const struct inventory *inv, struct key key,
          const struct inventory_item *item, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(value);
    if (text == NULL) {
        ctl_complain(ctl, "expected every argument in UTF-8");
        return CTL_USAGE;
    }
    struct etcd_txn *txn = compose_write(inv, key, item, text);
    const struct etcd_reply *reply = etcd_sync_commit(ctl->etcd, txn);
    etcd_txn_destroy(&txn);
    bool written = reply->outcome == ETCD_OK && reply->succeeded;
    enum ctl_exit status = CTL_OK;
    if (reply->outcome == ETCD_AMBIGUOUS) {
        reply = etcd_sync_get(ctl->etcd, span_cstr(key.text));
        written = reply->outcome == ETCD_OK && reply->kv_count == 1 &&
                  span_eq_cstr(reply->kvs[0].value, text);
    }
    if (!written) {
        status = ctl_check(ctl, reply);
        if (status == CTL_OK) {
            ctl_complain(ctl, "%s was changed by somebody else meanwhile: look and try again",
                         key.text);
            status = CTL_NO;
        }
    }
    free(text);
    return status;
}

/* --- words ------------------------------------------------------------------------ */

void
ctl_print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(json);
}

char *
ctl_whoami(void)
{
    char host[200] = "localhost";
    gethostname(host, sizeof(host) - 1);
    const struct passwd *pw = getpwuid(geteuid());
    return mem_printf("%s@%s", pw != NULL ? pw->pw_name : "?", host);
}

char *
ctl_random_id(void)
{
    uint64_t word[2];
    ASSERT(getrandom(word, sizeof(word), 0) == sizeof(word)); /* never short for 16 bytes */
    return mem_printf("%016" PRIx64 "%016" PRIx64, word[0], word[1]);
}
