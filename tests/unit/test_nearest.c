#include <criterion/criterion.h>
#include <string.h>

#include "base/nearest.h"

TestSuite(nearest, .timeout = 10);

static unsigned distance(const char *a, const char *b)
{
	return edit_distance(a, strlen(a), b, strlen(b));
}

Test(nearest, distance_counts_edits_and_swaps)
{
	cr_assert_eq(distance("", ""), 0);
	cr_assert_eq(distance("", "abc"), 3);
	cr_assert_eq(distance("snaplen", "snaplen"), 0);
	cr_assert_eq(distance("snaplne", "snaplen"), 1);
	cr_assert_eq(distance("kitten", "sitting"), 3);
	cr_assert_eq(distance("ab", "ba"), 1);
	cr_assert_eq(distance("sitting", "kitten"), 3);
}

Test(nearest, long_words_are_far_from_everything)
{
	char word[100];

	memset(word, 'a', sizeof(word));
	cr_assert_eq(edit_distance(word, 64, word, 64), 64);
	cr_assert_eq(edit_distance(word, 63, word, 63), 0);
}

Test(nearest, the_nearest_wins_and_strangers_are_not_named)
{
	struct nearest near = {.word = "--confg", .len = 7}, far = {.word = "xyzzy", .len = 5};
	static const char *const words[] = {"--count", "--config", "--feed"};

	for (unsigned i = 0; i < 3; i++) {
		nearest_offer(&near, words[i]);
		nearest_offer(&far, words[i]);
	}
	cr_assert_str_eq(near.best, "--config");
	cr_assert_null(far.best);
}
