/* SPDX-License-Identifier: BSD-3-Clause */
/* libosip2's memory: its arena is bounded, begins anew with each message, and running out of it refuses the message. */
#include "tests/unit/sip/base.h"

/* Through what libosip2 asks for memory; its headers have names of their own for VIA, FROM and TO. */
extern void *(*osip_malloc_func)(size_t);
extern void *(*osip_realloc_func)(void *, size_t);

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

/* libosip2 may enlarge what it has: within the arena, with what was there, and the arena's end is an end */
static void memory_is_enlarged_within_the_arena(void **state)
{
	static char mem[1024];
	sb_osip_arena(mem, sizeof mem);
	char *p = osip_realloc_func(NULL, 16), *was = p;
	assert_non_null(p);
	memset(p, 'x', 16);
	assert_ptr_equal(osip_realloc_func(p, 8), was);
	p = osip_realloc_func(p, 200);
	assert_true(p > mem && p + 200 <= mem + sizeof mem && p != was);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(p[i], 'x');
	assert_null(osip_realloc_func(p, 4096));
	assert_null(osip_realloc_func(p, SIZE_MAX));
	assert_int_equal(p[15], 'x');
}

/* Nothing fits into less than its own alignment */
static void smallest_arenas_hold_nothing(void **state)
{
	static _Alignas(16) char mem[64];
	for (unsigned skip = 0; skip < 16; skip++)
		for (size_t size = 0; size <= 32 - skip; size++) {
			sb_osip_arena(mem + skip, size);
			char *p = osip_malloc_func(1);
			assert_true(!p || (p >= mem + skip && p < mem + skip + size));
			assert_true(sb_osip_usage()->size <= size);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(too_small_an_arena_refuses_and_counts),
	        cmocka_unit_test(without_an_arena_nothing_odd_passes),
	        cmocka_unit_test(each_message_has_the_whole_arena),
	        cmocka_unit_test(memory_is_enlarged_within_the_arena),
	        cmocka_unit_test(smallest_arenas_hold_nothing),
	};
	sb_osip_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
