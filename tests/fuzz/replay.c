/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files, without libFuzzer: over each path given, file or directory, or else over
 * tests/fuzz/corpus/NAME for the program fuzz_NAME.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

/* Each input stands at the end of an allocation of its own size, so that ASan sees any byte too far. */
static int run_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size ? size : 1);
    FILE *f = fopen(path, "rb");
    size_t n = f && data ? fread(data, 1, size, f) : 0;
    if (f)
        fclose(f);
    if (!f || !data || n != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        return 1;
    }
    LLVMFuzzerTestOneInput(size ? data : data + 1, size);
    free(data);
    inputs++;
    return 0;
}

static int run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s: not there\n", path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode))
        return run_file(path, (size_t)st.st_size);
    int failed = 0;
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
        char inner[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (stat(inner, &st) == 0 && S_ISREG(st.st_mode))
            failed |= run_file(inner, (size_t)st.st_size);
    }
    if (d)
        closedir(d);
    return failed || !d;
}

int main(int argc, char **argv)
{
    int failed = 0;
    const char *name = strrchr(argv[0], '/');
    name = name ? name + 1 : argv[0];
    if (argc == 1) {
        char corpus[1024];
        snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s",
                 strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name);
        failed = run_path(corpus);
    }
    for (int i = 1; i < argc; i++)
        failed |= run_path(argv[i]);
    printf("%s: %zu inputs\n", name, inputs);
    return failed || !inputs;
}
