/*
 * A main for the fuzz targets without libFuzzer: every file that is named goes through once, and,
 * when it is small, cut at every byte too. The input is copied to memory of its exact size, so that
 * ASan sees a read behind its end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICED_BYTES_MAX = 1024, FILE_BYTES_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static void run_once(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);

    if (exact == NULL)
        abort();
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int run_file(const char *path, uint8_t *room)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL) {
        perror(path);
        return -1;
    }
    size = fread(room, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    run_once(room, size);
    for (size_t cut = 0; size <= SLICED_BYTES_MAX && cut < size; cut++)
        run_once(room, cut);
    return 0;
}

int main(int argc, char *argv[])
{
    uint8_t *room = malloc(FILE_BYTES_MAX);
    int failed = room == NULL || argc < 2;

    if (LLVMFuzzerInitialize != NULL)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; room != NULL && i < argc; i++)
        failed |= run_file(argv[i], room) != 0;
    free(room);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
