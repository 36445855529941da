/* check_words.c: lists of words, quoting for the shell, and cleaning of hostile text. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

START_TEST(quoting_survives_a_shell)
{
    static const char *const list[] = {"./pool", "-p", "4", "two words", "it's", "$HOME", "", NULL};
    char *text = words_quoted(list);
    char *command = text_format("set -- %s; [ $# = 7 ] && [ \"$4\" = 'two words' ] && [ \"$5\" = \"it's\" ] && "
                                "[ \"$6\" = '$HOME' ] && [ -z \"$7\" ]",
                                text);
    ck_assert_int_eq(system(command), 0);
    free(command);
    free(text);
}
END_TEST

START_TEST(words_grow)
{
    struct words w = {0};
    for (int i = 0; i < 100; i++)
        words_addf(&w, "%d", i);
    words_add_all(&w, (const char *const[]){"a", "b", NULL});
    words_add_all(&w, NULL);
    ck_assert_uint_eq(w.count, 102);
    ck_assert_str_eq(w.item[99], "99");
    ck_assert_str_eq(w.item[101], "b");
    ck_assert_ptr_null(w.item[102]);
    words_free(&w);
}
END_TEST

START_TEST(cleaning_keeps_text_and_nothing_else)
{
    static const struct {
        const char *dirty, *clean;
    } cases[] = {
        {"plain\n\ttext", "plain\n\ttext"},
        {"caf\xc3\xa9 \xe4\xb8\xad", "caf\xc3\xa9 \xe4\xb8\xad"},
        {"\x1b[31mred", "?[31mred"},
        {"bell\a\x7f", "bell??"},
        {"\xff\xfe", "??"},
        {"cut \xc3", "cut ?"},
        {"\xc3(", "?("},
        {"C1 \xc2\x9b", "C1 ??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = strdup(cases[i].dirty);
        text_clean(text);
        ck_assert_str_eq(text, cases[i].clean);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("words");
    TCase *tcase = tcase_create("words");
    tcase_add_test(tcase, quoting_survives_a_shell);
    tcase_add_test(tcase, words_grow);
    tcase_add_test(tcase, cleaning_keeps_text_and_nothing_else);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
