/*
 * Text for other eyes: foreign bytes made into valid, harmless UTF-8, for JSON strings and for
 * terminals. Pure.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of text, which holds len > 0 bytes. Returns its length, or 0
 * when the first byte begins no valid UTF-8 (overlong forms, surrogates and what is past U+10FFFF
 * are none) and *out is not set. */
size_t text_utf8_next(const char *text, size_t len, uint32_t *out);

/* One escaped character of text: writes at most TEXT_ESCAPE_MAX bytes and a NUL to out. Returns how
 * many bytes of text it stands for. What is not UTF-8 becomes U+FFFD, byte by byte. */
#define TEXT_ESCAPE_MAX 12
/* As inside a JSON string: quote, backslash and all control characters are escaped. */
size_t text_escape_json(const char *text, size_t len, char out[TEXT_ESCAPE_MAX + 1]);
/* As on one line for people: control characters become \n, \t, \x1b and so on. */
size_t text_escape_plain(const char *text, size_t len, char out[TEXT_ESCAPE_MAX + 1]);

#endif
