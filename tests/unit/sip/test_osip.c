/* SPDX-License-Identifier: BSD-3-Clause */
/* libosip2's memory: its arena is bounded, begins anew with each message, and running out of it refuses the message. */
#include "tests/unit/sip/base.h"

#define ODD START "Via : SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx\r\n" FROM TO CALL_ID CSEQ MF "Route: <sip:x1;lr>\r\n" END

static bool accepted_with(void *mem, size_t size)
{
	sb_osip_arena(mem, size);
	struct msg *m = msg_read(ODD);
	bool accepted = m->read == SB_READ_REQUEST;
	assert_true(m->asked);
	assert_int_equal(sb_osip_usage()->exhausted, accepted ? 0 : 1);
	assert_int_equal(m->sip.error, accepted ? 0 : 513);
	assert_true(sb_osip_usage()->peak <= size);
	msg_free(m);
	return accepted;
}

/* Every allocation fails once: libosip2 copes with each. */
static void too_small_an_arena_refuses_and_counts(void **state)
{
	bool accepted = false;
	unsigned refused = 0;
	for (size_t size = 0; size < 16384 && !accepted; size += 16) {
		void *mem = malloc(size);
		accepted = accepted_with(mem, size);
		refused += !accepted;
		free(mem);
	}
	assert_true(accepted);
	assert_true(refused > 50);
}

static void without_an_arena_nothing_odd_passes(void **state)
{
	assert_false(accepted_with(NULL, 0));
}

static void each_message_has_the_whole_arena(void **state)
{
	static char mem[8192];
	sb_osip_arena(mem, sizeof mem);
	for (unsigned i = 0; i < 1000; i++) {
		struct msg *m = msg_read(ODD);
		assert_int_equal(m->read, SB_READ_REQUEST);
		msg_free(m);
	}
	assert_int_equal(sb_osip_usage()->exhausted, 0);
	assert_int_not_equal(sb_osip_usage()->peak, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(too_small_an_arena_refuses_and_counts),
	        cmocka_unit_test(without_an_arena_nothing_odd_passes),
	        cmocka_unit_test(each_message_has_the_whole_arena),
	};
	sb_osip_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
