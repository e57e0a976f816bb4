/*
 * Edit distance (optimal string alignment: insert, drop, change, swap neighbours), over at most
 * the first 64 letters: longer words are never typing slips of ours.
 */
#include "daemon/nearest.h"

#include <string.h>

enum { LETTERS_MAX = 64, SHORTEST_PART = 3 };

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static size_t distance(const char *a, const char *b)
{
    size_t rows[3][LETTERS_MAX + 1];
    size_t a_len = strnlen(a, LETTERS_MAX);
    size_t b_len = strnlen(b, LETTERS_MAX);

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *two_above = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);

            now[j] = smallest(above[j] + 1, now[j - 1] + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smallest(now[j], two_above[j - 2] + 1, now[j]);
        }
    }
    return rows[a_len % 3][b_len];
}

/* Sixteen points a slip, so that a part of a name (`--repo`, `--password`) can rank between one and
 * two slips. */
static size_t score_of(const char *word, const char *candidate)
{
    size_t score = 16 * distance(word, candidate);
    size_t len = strlen(word);
    const char *part = strstr(candidate, word);

    if (part != NULL && len >= SHORTEST_PART) {
        size_t as_part = (part == candidate ? 16 : 20) + strlen(candidate) - len;

        return as_part < score ? as_part : score;
    }
    return score;
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
    size_t score = score_of(nearest->word, candidate);

    if (nearest->best != NULL && score >= nearest->score)
        return;
    nearest->best = candidate;
    nearest->score = score;
}
