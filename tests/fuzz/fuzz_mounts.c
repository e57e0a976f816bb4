/*
 * Lines of mountinfo: what is read has names, and lies inside the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

static void check_inside(const char *word, const char *text, size_t size)
{
    check(word >= text && word + strlen(word) <= text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1);
    struct mount_line line;

    memcpy(text, data, size);
    text[size] = '\0';
    for (char *rest = text; mounts_next(&rest, &line);) {
        check_inside(rest, text, size);
        check_inside(line.root, text, size);
        check_inside(line.point, text, size);
        check_inside(line.kind, text, size);
        check(mounts_is_below(line.point, "/") == (line.point[0] == '/' || line.point[0] == '\0'));
        (void)mounts_has_word(line.super, line.kind); /* reads both to their ends */
    }
    free(text);
    return 0;
}
