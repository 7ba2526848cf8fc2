/* The venue of docs/adding-a-venue.md: a file alone made all of this. */
#include "tests/support/vector_check.h"

#include <criterion/criterion.h>

TestSuite(adding_a_venue, .timeout = 60);

static const uint8_t head[] = {0x58, 0x58, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};

Test(adding_a_venue, the_printed_file_is_a_protocol_beside_the_others)
{
	const struct protocol *p = protocol_find(STR("example_feed"));

	cr_assert_not_null(p);
	cr_assert_str_eq(p->venue, "XEXM");
	cr_assert_str_eq(p->timezone, "JST-9");
	cr_assert_eq(p->instruments_max, 1000);
	cr_assert_not_null(protocol_find(STR("itch50")));
}

Test(adding_a_venue, its_vectors_make_the_printed_events)
{
	cr_assert_eq(vectors_check("example_feed"), 6);
}

Test(adding_a_venue, a_length_between_the_two_is_read_without_the_field_that_is_cut)
{
	const uint8_t data[34] = {'D', 0, 7, 0, [12] = 'X', [13] = ' ', [32] = 9};
	struct decode_rig rig;

	decode_rig_init(&rig, "example_feed");
	cr_assert_eq(rig.protocol->body(&rig.state, bytes_of(data, sizeof(data)), &rig.out), 1);
	cr_assert_eq(rig.out.ev[0]->definition.attributes_n, 0);
	decode_rig_free(&rig);
}

Test(adding_a_venue, its_datagrams_are_recognised_and_those_of_others_not)
{
	static const uint8_t mold[] = "0000000001\0\0\0\0\0\0\0\1\0\0";
	const struct protocol *p = protocol_find(STR("example_feed"));

	cr_assert_eq(datagrams_check("example_feed", bytes_of(head, sizeof(head)), 2, 0, false), 0);
	cr_assert_not(p->recognise(bytes_of(mold, sizeof(mold) - 1)));
	cr_assert_not(protocol_find(STR("itch50"))->recognise(bytes_of(head, sizeof(head))));
}
