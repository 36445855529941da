/* check_rng.c: the tests of rng.c. The expected numbers are the published ones of
   splitmix64 and xoshiro256**, as other implementations test themselves with. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "rng.h"

START_TEST(numbers_of_the_reference_code)
{
    /* The sequence that the authors' C code gives from the state 1, 2, 3, 4 (also in Rust's rand_xoshiro). */
    const uint64_t expected[] = {11520u,
                                 0u,
                                 1509978240u,
                                 1215971899390074240u,
                                 1216172134540287360u,
                                 607988272756665600u,
                                 16172922978634559625u,
                                 8476171486693032832u,
                                 10595114339597558777u,
                                 2904607092377533576u};
    struct rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        ck_assert_uint_eq(rng_next(&r), expected[i]);
}
END_TEST

START_TEST(seeds_go_through_splitmix64)
{
    /* The first four numbers of splitmix64 from 1234567, as Rosetta Code lists them. */
    struct rng r = rng_seeded(1234567);
    ck_assert_uint_eq(r.s[0], 6457827717110365317u);
    ck_assert_uint_eq(r.s[1], 3203168211198807973u);
    ck_assert_uint_eq(r.s[2], 9817491932198370423u);
    ck_assert_uint_eq(r.s[3], 4593380528125082431u);
}
END_TEST

START_TEST(every_seed_gives_a_state)
{
    struct rng r = rng_seeded(0); /* all zeros would stay zeros */
    ck_assert(r.s[0] != 0 && r.s[1] != 0 && r.s[2] != 0 && r.s[3] != 0);
    struct rng other = rng_seeded(1);
    ck_assert_uint_ne(rng_next(&r), rng_next(&other));
}
END_TEST

START_TEST(doubles_are_53_bits)
{
    /* From the state above: 11520 >> 11 = 5, 0, 1509978240 >> 11 = 737294. */
    struct rng r = {{1, 2, 3, 4}};
    ck_assert_double_eq(rng_double(&r), 5 / 9007199254740992.0);
    ck_assert_double_eq(rng_double(&r), 0);
    ck_assert_double_eq(rng_double(&r), 737294 / 9007199254740992.0);

    /* s[1] = y gives rotate(5 y, 7) * 9; this y makes all 64 bits one: the largest number, below 1. */
    uint64_t y = UINT64_MAX * 0x8e38e38e38e38e39u; /* UINT64_MAX / 9 modulo 2^64 */
    y = (y >> 7 | y << 57) * 0xcccccccccccccccdu;  /* rotated back, then divided by 5 */
    r = (struct rng){{1, y, 3, 4}};
    ck_assert_double_eq(rng_double(&r), 1 - 0x1p-53);
}
END_TEST

START_TEST(doubles_are_spread_evenly)
{
    enum { BINS = 20, DRAWS = 200000 };
    struct rng r = rng_seeded(7);
    int bin[BINS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        double x = rng_double(&r);
        ck_assert(x >= 0 && x < 1);
        bin[(int)(x * BINS)]++;
    }
    /* Six standard deviations of a binomial count: chance alone fails it less than once in 10^7 seeds. */
    double p = 1.0 / BINS, allowed = 6 * sqrt(DRAWS * p * (1 - p));
    for (int i = 0; i < BINS; i++)
        ck_assert_double_le(fabs(bin[i] - DRAWS * p), allowed);
}
END_TEST

START_TEST(below_covers_its_range_evenly)
{
    enum { DRAWS = 70000 };
    for (size_t n = 1; n <= 7; n++) {
        struct rng r = rng_seeded(n);
        int seen[7] = {0};
        for (int i = 0; i < DRAWS; i++) {
            size_t k = rng_below(&r, n);
            ck_assert_uint_lt(k, n);
            seen[k]++;
        }
        double p = 1.0 / (double)n, allowed = 6 * sqrt(DRAWS * p * (1 - p));
        for (size_t k = 0; k < n; k++)
            ck_assert_double_le(fabs(seen[k] - DRAWS * p), allowed);
    }
}
END_TEST

START_TEST(below_has_no_bias)
{
    /* n = 3 * 2^62: without rejection, the quarter of all draws beyond n would land in the lowest third,
       which would then have half of all numbers. */
    enum { DRAWS = 30000 };
    const size_t n = (size_t)3 << 62;
    struct rng r = rng_seeded(11);
    int low = 0;
    for (int i = 0; i < DRAWS; i++)
        low += rng_below(&r, n) < n / 3;
    ck_assert_double_le(fabs(low - DRAWS / 3.0), 6 * sqrt(DRAWS * (1.0 / 3) * (2.0 / 3)));
}
END_TEST

START_TEST(fill_is_between_minus_one_and_one)
{
    double a[1001];
    struct rng r = rng_seeded(3), again = rng_seeded(3);
    a[1000] = 42;
    rng_fill(&r, a, 1000);
    ck_assert_double_eq(a[1000], 42);
    int negative = 0;
    for (int i = 0; i < 1000; i++) {
        ck_assert(a[i] >= -1 && a[i] < 1);
        ck_assert_double_eq(a[i], 2 * rng_double(&again) - 1);
        negative += a[i] < 0;
    }
    ck_assert_int_gt(negative, 400); /* expected are 500, six standard deviations are 95 */
    ck_assert_int_lt(negative, 600);
    rng_fill(&r, NULL, 0);
}
END_TEST

static Suite *rng_suite(void)
{
    Suite *s = suite_create("rng");
    TCase *t = tcase_create("numbers");
    tcase_add_test(t, numbers_of_the_reference_code);
    tcase_add_test(t, seeds_go_through_splitmix64);
    tcase_add_test(t, every_seed_gives_a_state);
    tcase_add_test(t, doubles_are_53_bits);
    tcase_add_test(t, doubles_are_spread_evenly);
    tcase_add_test(t, below_covers_its_range_evenly);
    tcase_add_test(t, below_has_no_bias);
    tcase_add_test(t, fill_is_between_minus_one_and_one);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(rng_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
