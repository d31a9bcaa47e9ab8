/* Memory account, arena, errors, hashes and parameters' choices. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/embedded.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/param.h"

/* ---------------------------------------------------------------- memory */

static void the_account_holds_what_was_asked_for(void **state)
{
    (void)state;
    size_t before = ln_memory_used();
    char *block = ln_alloc(100);
    assert_int_equal(ln_memory_used() - before, 100);
    assert_int_equal(ln_alloc_size(block), 100);
    memset(block, 'x', 100);
    block = ln_realloc(block, 1000);
    assert_int_equal(ln_memory_used() - before, 1000);
    assert_int_equal(block[99], 'x');
    block = ln_realloc(block, 10);
    assert_int_equal(ln_memory_used() - before, 10);
    assert_int_equal(ln_alloc_size(block), 10);
    assert_int_equal(block[9], 'x');
    void *numbers = ln_alloc_aligned(33);
    assert_int_equal((uintptr_t)numbers % 64, 0);
    assert_int_equal(ln_memory_used() - before, 43);
    ln_free_aligned(numbers);
    ln_free(block);
    ln_free(NULL);
    ln_free_aligned(NULL);
    assert_int_equal(ln_memory_used(), before);
    assert_int_equal(ln_alloc_size(NULL), 0);
}

static void blocks_are_aligned_zeroed_and_copied(void **state)
{
    (void)state;
    static const char zeros[60];
    char *block = ln_calloc(12, 5);
    assert_int_equal((uintptr_t)block % 16, 0);
    assert_same_bits(block, zeros, sizeof zeros);
    ln_free(block);
    assert_null(ln_calloc(SIZE_MAX / 2, 3));
    void *nothing = ln_alloc(0);
    assert_non_null(nothing);
    ln_free(nothing);
    char *text = ln_strdup("saliency");
    assert_string_equal(text, "saliency");
    ln_free(text);
    text = ln_strndup("saliency", 3);
    assert_string_equal(text, "sal");
    ln_free(text);
    text = ln_strndup("sal", 100); /* never reads behind the NUL */
    assert_string_equal(text, "sal");
    ln_free(text);
    block = ln_realloc(NULL, 7);
    assert_int_equal(ln_alloc_size(block), 7);
    ln_free(block);
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    size_t before = ln_memory_used();
    ln_memory_limit(before + 1000);
    assert_int_equal(ln_memory_limit_get(), before + 1000);
    char *block = ln_alloc(1000);
    assert_non_null(block);
    assert_null(ln_alloc(1));
    assert_null(ln_alloc_aligned(1));
    assert_null(ln_realloc(block, 1001));
    assert_int_equal(ln_alloc_size(block), 1000); /* still there */
    block = ln_realloc(block, 999);
    void *one = ln_alloc(1);
    assert_non_null(one);
    ln_free(one);
    ln_free(block);
    ln_memory_limit(0);
    assert_null(ln_alloc(SIZE_MAX));
    assert_null(ln_alloc(SIZE_MAX - 8));
    assert_null(ln_alloc_aligned(SIZE_MAX - 8));
    assert_int_equal(ln_memory_used(), before);
}

static bool allocates(void)
{
    void *block = ln_alloc(1);
    ln_free(block);
    return block != NULL;
}

static void the_fault_harness_fails_the_nth(void **state)
{
    (void)state;
    ln_memory_fail_at(2, true);
    assert_true(allocates());
    assert_false(allocates());
    assert_true(allocates());
    assert_int_equal(ln_memory_fail_at(0, true), 3);
    ln_memory_fail_at(2, false);
    assert_true(allocates());
    assert_false(allocates());
    assert_false(allocates());
    ln_memory_fail_at(0, true);
    assert_true(allocates());
    char *block = ln_alloc(8);
    ln_memory_fail_at(1, true);
    assert_null(ln_realloc(block, 16));
    ln_memory_fail_at(1, true);
    block = ln_realloc(block, 4); /* shrinking allocates nothing */
    assert_non_null(block);
    ln_memory_fail_at(0, true);
    ln_free(block);
}

static void an_arena_hands_out_aligned_parts(void **state)
{
    (void)state;
    static const char zeros[300];
    size_t before = ln_memory_used();
    ln_arena arena;
    ln_arena_init(&arena, 1024);
    char *parts[40];
    for (int i = 0; i < 40; i++) {
        size_t bytes = i == 20 ? 5000 : (size_t)(i * 7 % 100);
        parts[i] = ln_arena_alloc(&arena, bytes);
        assert_int_equal((uintptr_t)parts[i] % 64, 0);
        memset(parts[i], i, bytes);
    }
    for (int i = 0; i < 40; i++) /* no part reaches into another */
        for (size_t j = 0; i != 20 && j < (size_t)(i * 7 % 100); j++)
            assert_int_equal(parts[i][j], i);
    char *clean = ln_arena_calloc(&arena, 100, 3);
    assert_same_bits(clean, zeros, sizeof zeros);
    assert_string_equal(ln_arena_strdup(&arena, "word"), "word");
    assert_null(ln_arena_calloc(&arena, SIZE_MAX / 2, 3));
    assert_null(ln_arena_alloc(&arena, SIZE_MAX - 10));
    ln_arena_free(&arena);
    assert_int_equal(ln_memory_used(), before);
    assert_non_null(ln_arena_alloc(&arena, 1)); /* may be used again */
    ln_arena_free(&arena);
}

static ln_status fill_arena(void *context, ln_error *err)
{
    (void)context;
    ln_arena arena;
    ln_status status = LN_OK;
    ln_arena_init(&arena, 0);
    for (int i = 0; i < 5 && !status; i++)
        if (!ln_arena_alloc(&arena, 40000))
            status = ln_fail_memory(err, 40000);
    ln_arena_free(&arena);
    return status;
}

static void an_arena_survives_failing_allocations(void **state)
{
    (void)state;
    sweep_allocation_failures(fill_arena, NULL);
}

/* ---------------------------------------------------------------- errors */

static void an_error_is_filled_and_extended(void **state)
{
    (void)state;
    ln_error err = {.field = "old", .hint = "old"};
    assert_int_equal(ln_fail(&err, LN_EFILE, "found %d, wanted %s", 3, "four"), LN_EFILE);
    assert_int_equal(err.status, LN_EFILE);
    assert_string_equal(err.message, "found 3, wanted four");
    assert_string_equal(err.field, "");
    assert_string_equal(err.hint, "");
    ln_error_prefix(&err, "layer '%s'", "fc1");
    assert_string_equal(err.message, "layer 'fc1': found 3, wanted four");
    ln_error_hint(&err, "did you mean '%s'?", "steps");
    assert_string_equal(err.hint, "did you mean 'steps'?");
    assert_int_equal(ln_fail(NULL, LN_EIO, "x"), LN_EIO);
    ln_error_hint(NULL, "x");
    ln_error_prefix(NULL, "x");
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    ln_error err;
    char text[2000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof text);
        for (size_t i = shift; i + 4 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 3); /* a character of three bytes */
        text[sizeof text - 1] = '\0';
        ln_fail(&err, LN_EINVALID, "%s", text);
        size_t length = strlen(err.message);
        assert_true(length >= sizeof err.message - 3);
        assert_int_equal((length - shift) % 3, 0);
        ln_error_prefix(&err, "in front");
        assert_true(strlen(err.message) < sizeof err.message);
        assert_memory_equal(err.message, "in front: ", 10);
    }
}

static void memory_errors_name_the_limit(void **state)
{
    (void)state;
    ln_error err;
    assert_fails(ln_fail_memory(&err, (size_t)3 << 20), LN_ENOMEM, "3.0 MiB more");
    assert_null(strstr(err.message, "--memory"));
    ln_memory_limit((size_t)2 << 30);
    assert_fails(ln_fail_memory(&err, 100), LN_ENOMEM, "100 bytes more");
    assert_non_null(strstr(err.message, "--memory allows 2.0 GiB"));
    ln_memory_limit(0);
}

static void misspelt_words_find_their_neighbour(void **state)
{
    (void)state;
    static const char *const words[] = {"saliency", "integrated_gradients",
                                        "lr",       "relu",
                                        "epochs",   "batch",
                                        "lift",     "train",
                                        "class",    "help",
                                        "",         NULL};
    static const struct {
        const char *typed, *meant;
    } cases[] = {
        {"saliencey", "saliency"},
        {"silency", "saliency"},
        {"integrated_gradient", "integrated_gradients"},
        {"intergated_gradients", "integrated_gradients"},
        {"rleu", "relu"}, /* neighbours swapped: one edit */
        {"epoch", "epochs"},
        {"btach", "batch"},
        {"lr", "lr"},
        {"salency", "saliency"},
        {"trian", "train"},
        {"clas", "class"},
        {"l", "lr"},
        {"lime", NULL}, /* two letters of four are another word: lift */
        {"repl", NULL}, /* help */
        {"batsh", "batch"},
        {"match", "batch"},
        {"batik", NULL},
        {"momentum", NULL},
        {"x", NULL},
        {"", NULL},
        {"a_word_that_is_longer_than_any_word_of_the_language_could_ever_be", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = ln_nearest_word(cases[i].typed, words);
        if (cases[i].meant && (!found || strcmp(found, cases[i].meant) != 0))
            fail_msg("'%s' gave '%s'", cases[i].typed, found ? found : "(nothing)");
        if (!cases[i].meant && found)
            fail_msg("'%s' gave '%s'", cases[i].typed, found);
    }
}

/* ---------------------------------------------------------------- hashes and choices */

static void assert_digest(const void *data, size_t bytes, const char *want)
{
    uint8_t digest[LN_SHA256_BYTES];
    char hex[LN_SHA256_HEX];
    ln_sha256(data, bytes, digest);
    ln_sha256_hex(digest, hex);
    assert_string_equal(hex, want);
    /* In two parts, cut anywhere, the digest is the same. */
    for (size_t cut = 0; cut <= bytes && cut < 70; cut++) {
        ln_sha256_pair(data, cut, (const char *)data + cut, bytes - cut, digest);
        ln_sha256_hex(digest, hex);
        assert_string_equal(hex, want);
    }
}

/* FIPS 180-2, appendix B. */
static void sha256_gives_the_published_digests(void **state)
{
    (void)state;
    assert_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    static char million[1000000];
    memset(million, 'a', sizeof million);
    assert_digest(million, sizeof million,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void hashed_fields_stay_apart(void **state)
{
    (void)state;
    uint8_t a[LN_SHA256_BYTES], b[LN_SHA256_BYTES], whole[LN_SHA256_BYTES];
    ln_hash *hash = ln_hash_new();
    ln_hash_text(hash, "ab");
    ln_hash_text(hash, "c");
    ln_hash_finish(hash, a);
    ln_hash_text(hash, "a"); /* finishing starts anew */
    ln_hash_text(hash, "bc");
    ln_hash_finish(hash, b);
    assert_memory_not_equal(a, b, sizeof a);
    ln_sha256("ab\0c", 5, whole);
    assert_same_bits(a, whole, sizeof a);

    static const uint8_t minus_two[] = {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    ln_hash_i64(hash, -2);
    ln_hash_update(hash, NULL, 0);
    ln_hash_finish(hash, a);
    ln_sha256(minus_two, sizeof minus_two, whole);
    assert_same_bits(a, whole, sizeof a);
    ln_hash_free(hash);
}

static void choices_are_found_whole(void **state)
{
    (void)state;
    static const char choices[] = "gausslegendre|riemann_left|riemann";
    assert_int_equal(ln_choice_index(choices, "gausslegendre", 13), 0);
    assert_int_equal(ln_choice_index(choices, "riemann_left", 12), 1);
    assert_int_equal(ln_choice_index(choices, "riemann_left", 7), 2);
    assert_int_equal(ln_choice_index(choices, "gauss", 5), -1);
    assert_int_equal(ln_choice_index(choices, "", 0), -1);
    assert_int_equal(ln_choice_index(choices, "riemann_left|riemann", 20), -1);
    assert_int_equal(ln_choice_index("", "a", 1), -1);
    assert_int_equal(ln_choice_index(NULL, "a", 1), -1);
}

static void embedded_files_are_the_files(void **state)
{
    (void)state;
    assert_null(ln_embedded_find("stdlib/no such file"));
    for (const struct ln_embedded *file = ln_embedded_files; file->name; file++) {
        char path[256];
        static char content[1 << 20];
        bool of_stdlib = strncmp(file->name, "stdlib/", 7) == 0;
        snprintf(path, sizeof path, "%s%s", of_stdlib ? "" : "engine/", file->name);
        FILE *stream = fopen(path, "rb");
        assert_non_null(stream);
        size_t bytes = fread(content, 1, sizeof content, stream);
        fclose(stream);
        assert_int_equal(file->bytes, bytes);
        assert_same_bits(file->data, content, bytes);
        assert_int_equal(file->data[bytes], 0);
        assert_ptr_equal(ln_embedded_find(file->name), file);
        /* Lua's own mark begins what it has compiled. */
        assert_int_equal(file->compiled != NULL, of_stdlib);
        assert_true(!of_stdlib || memcmp(file->compiled, "\033Lua", 4) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_account_holds_what_was_asked_for),
        cmocka_unit_test(blocks_are_aligned_zeroed_and_copied),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(the_fault_harness_fails_the_nth),
        cmocka_unit_test(an_arena_hands_out_aligned_parts),
        cmocka_unit_test(an_arena_survives_failing_allocations),
        cmocka_unit_test(an_error_is_filled_and_extended),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(memory_errors_name_the_limit),
        cmocka_unit_test(misspelt_words_find_their_neighbour),
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(hashed_fields_stay_apart),
        cmocka_unit_test(choices_are_found_whole),
        cmocka_unit_test(embedded_files_are_the_files),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
