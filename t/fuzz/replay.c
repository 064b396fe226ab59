/* The main of a fuzz target built without libFuzzer: prints TAP, one case a
 * corpus file. The target's name is argv[0]'s last part without "fuzz_". */
#include "t/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX  (1 << 20)
#define PREFIX_MAX 512

static size_t
read_file(const char *path, uint8_t *to)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    size_t n = fread(to, 1, FILE_MAX, f);
    fclose(f);
    return n;
}

/* Each prefix in memory of its own, so that a read past the end is seen. */
static void
run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int
main(int argc, char **argv)
{
    const char *source = getenv("top_srcdir");
    const char *name = strstr(argv[0], "fuzz_");
    for (const char *next = name; next != NULL; next = strstr(next + 1, "fuzz_")) {
        name = next;
    }
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s/t/fuzz/corpus/%s", source ? source : ".",
             name ? name + 5 : "");
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        perror(folder);
        return EXIT_FAILURE;
    }
    uint8_t *data = malloc(FILE_MAX);
    int n = 0;
    for (struct dirent *e = readdir(dir); e != NULL && data != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.') {
            continue;
        }
        char path[5120];
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        size_t size = read_file(path, data);
        for (size_t cut = 0; cut < size && cut < PREFIX_MAX; cut++) {
            run_copy(data, cut);
        }
        run_copy(data, size);
        printf("ok %d - %s\n", ++n, e->d_name);
    }
    printf("1..%d\n", n);
    free(data);
    closedir(dir);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
