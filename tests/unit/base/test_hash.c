/*
 * SHA-256 and HMAC by published vectors (FIPS 180-2, RFC 4231), sliced at every byte; hex.
 */
#include "base/hash.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    const char *digest;
} digests[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

START_TEST(digests_are_the_published_ones_however_they_are_fed)
{
    const char *text = digests[_i].text;
    size_t len = strlen(text);
    struct sha256 *sha = sha256_new();
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    sha256_of(text, len, digest);
    hex_encode(digest, sizeof(digest), hex);
    ck_assert_str_eq(hex, digests[_i].digest);

    for (size_t split = 0; split <= len; split++) {
        sha256_update(sha, text, split);
        sha256_update(sha, text + split, len - split);
        sha256_finish(sha, digest); /* and starts over */
        hex_encode(digest, sizeof(digest), hex);
        ck_assert_str_eq(hex, digests[_i].digest);
    }
    sha256_free(sha);
    sha256_free(NULL);
}
END_TEST

static const struct {
    const char *key;
    size_t key_len;
    const char *text;
    const char *mac;
} macs[] = {
    {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", 20,
     "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", 4, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {NULL, 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

START_TEST(macs_are_the_published_ones)
{
    uint8_t mac[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    hmac_sha256("another", 7, "x", 1, mac); /* libcrypto may remember a key */
    hmac_sha256(macs[_i].key, macs[_i].key_len, macs[_i].text, strlen(macs[_i].text), mac);
    hex_encode(mac, sizeof(mac), hex);
    ck_assert_str_eq(hex, macs[_i].mac);
}
END_TEST

START_TEST(hex_of_every_byte_goes_there_and_back)
{
    uint8_t bytes[256];
    uint8_t back[256] = {0};
    char hex[513];
    struct err err;

    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    hex_encode(bytes, sizeof(bytes), hex);
    ck_assert_uint_eq(strlen(hex), 512);
    ck_assert_int_eq(hex_decode(hex, back, sizeof(back), &err), 0);
    ck_assert_mem_eq(bytes, back, sizeof(back));
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    bool ok;
} hexes[] = {
    {"", 0, true},      {"00", 0, false},    {"0aFf", 2, true},
    {"0aF", 2, false},  {"0aFf0", 2, false}, {"0aFg", 2, false},
    {" 0aF", 2, false}, {"0x12", 2, false},  {"", 2, false},
};

START_TEST(only_exactly_so_many_hex_digits_are_accepted)
{
    uint8_t out[2] = {7, 7};
    struct err err = {0};
    int result = hex_decode(hexes[_i].text, out, hexes[_i].len, &err);

    ck_assert_int_eq(result, hexes[_i].ok ? 0 : -1);
    ck_assert_int_eq(err.kind, hexes[_i].ok ? ERR_NONE : ERR_CORRUPT);
    if (!hexes[_i].ok) {
        ck_assert_uint_eq(out[0], 7);
        ck_assert_uint_eq(out[1], 7);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash");
    TCase *tcase = tcase_create("vectors");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, digests_are_the_published_ones_however_they_are_fed, 0, 3);
    tcase_add_loop_test(tcase, macs_are_the_published_ones, 0, 3);
    tcase_add_test(tcase, hex_of_every_byte_goes_there_and_back);
    tcase_add_loop_test(tcase, only_exactly_so_many_hex_digits_are_accepted, 0,
                        sizeof(hexes) / sizeof(hexes[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
